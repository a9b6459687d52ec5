/* SPDX-License-Identifier: Apache-2.0 */
/* training_loss.svg: readable on light and dark ground, without a script or a font of its own. */
#include "train/runlog.h"

#include <math.h>

#define WIDTH  720.0
#define HEIGHT 400.0
#define LEFT   60.0
#define TOP    40.0
#define RIGHT  20.0
#define BOTTOM 45.0

struct chart {
	double max_x, max_y;
	struct buf *out;
};

static double px(const struct chart *c, double x)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * x / c->max_x;
}

static double py(const struct chart *c, double y)
{
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / c->max_y;
}

/* The step between grid lines: 1, 2 or 5 times a power of ten, about five lines. */
static double grid(double max)
{
	double step = pow(10, floor(log10(max / 4)));

	return max / step > 20 ? 5 * step : max / step > 8 ? 2 * step : step;
}

static void axes(const struct chart *c, const char *title)
{
	double gx = fmax(1, grid(c->max_x)), gy = grid(c->max_y);

	buf_printf(c->out, "<text x=\"%g\" y=\"24\" class=\"title\">", LEFT);
	for (; *title; title++)
		buf_printf(c->out, *title == '<' || *title == '&' || *title == '>' ? "&#%d;" : "%c",
			   *title);
	buf_str(c->out, "</text>\n");
	for (double y = 0; y <= c->max_y * 1.0001; y += gy)
		buf_printf(
			c->out,
			"<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
			"text-anchor=\"end\">%.6g</text>\n",
			LEFT, py(c, y), WIDTH - RIGHT, LEFT - 6, py(c, y) + 4, y);
	for (double x = 0; x <= c->max_x * 1.0001; x += gx)
		buf_printf(c->out,
			   "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.6g</text>\n",
			   px(c, x), HEIGHT - BOTTOM + 18, x);
	buf_printf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">step</text>\n",
		   WIDTH / 2, HEIGHT - 8);
}

static void line(const struct chart *c, const struct log_row *rows, const double *y, size_t n,
		 const char *class)
{
	buf_printf(c->out, "<path class=\"%s\" d=\"", class);
	for (size_t i = 0; i < n; i++)
		buf_printf(c->out, "%c%.1f %.1f", i ? 'L' : 'M', px(c, (double)rows[i].step),
			   py(c, y[i]));
	buf_str(c->out, "\"/>\n");
}

void svg_loss(const struct log_row *rows, size_t n, const char *title, struct buf *out)
{
	struct chart c = { 1, 1e-9, out };
	double *raw = mem_new(n + 1, sizeof(*raw)), *smooth = mem_new(n + 1, sizeof(*smooth));
	double w = 1.8 * (1 / (1 + exp(-0.05 * (double)n)) - 0.5); /* LLaMA-Factory's weight */

	for (size_t i = 0; i < n; i++) {
		raw[i] = rows[i].loss;
		smooth[i] = i ? w * smooth[i - 1] + (1 - w) * raw[i] : raw[i];
		c.max_x = fmax(c.max_x, (double)rows[i].step);
		c.max_y = fmax(c.max_y, raw[i]);
	}
	buf_printf(out,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" "
		   "font-family=\"sans-serif\" font-size=\"12\">\n"
		   "<style>.grid{stroke:#8884;fill:none}.raw{stroke:#3b82f6;stroke-opacity:.4;fill:"
		   "none}"
		   ".smooth{stroke:#3b82f6;stroke-width:2;fill:none}text{fill:#888}"
		   ".title{font-size:15px}</style>\n",
		   WIDTH, HEIGHT);
	axes(&c, title);
	line(&c, rows, raw, n, "raw");
	line(&c, rows, smooth, n, "smooth");
	buf_str(out, "</svg>\n");
	mem_free(raw);
	mem_free(smooth);
}
