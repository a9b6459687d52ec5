/* SPDX-License-Identifier: Apache-2.0 */
/* What memory this process has, had at most, and can have. */
#ifndef BASE_SYSMEM_H
#define BASE_SYSMEM_H

#include <stddef.h>

/* Resident bytes now, and at most since the program started; 0: not known here. */
size_t sysmem_resident(void);
size_t sysmem_peak(void);
/* Bytes that can be had beside what is resident without swapping: what the machine has to give, and what
 * the control groups (both versions) that the process is in leave of theirs. root: "" on a machine, a
 * folder with proc/ and sys/ in tests. */
size_t sysmem_available(const char *root);

#endif
