/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kind of speech a text is, told from a few words of Chinese or English: for the rules that have to
 * guess. The lists are short and closed on purpose; `make lint-quality` counts how often they are wrong.
 */
#ifndef DATA_SPEECH_H
#define DATA_SPEECH_H

#include <stdbool.h>
#include <stddef.h>

enum speech_script { SPEECH_OTHER, SPEECH_ZH, SPEECH_LATIN };

/* Describes what a model has to do ("Greet the user briefly") instead of being what a user says. */
bool speech_is_task(const char *s, size_t n);
/* What people say to each other when they want nothing done: greetings, feelings, thanks. */
bool speech_is_talk(const char *s, size_t n);
/* The writing of a text's beginning, where that is plain. */
enum speech_script speech_script(const char *s, size_t n);
/* Latin letters that are English, and not code or another language. */
bool speech_is_english(const char *s, size_t n);
/* It asks for, or brings, another language or code: an answer in another language suits it. */
bool speech_names_language(const char *s, size_t n);

#endif
