/* SPDX-License-Identifier: GPL-2.0-only */
/* What completions lack. */
#ifndef VMIG_HELPERS_COMPLETION_H
#define VMIG_HELPERS_COMPLETION_H

struct completion;

/* reinit_completion(), also while others wait */
void vmig_reinit_completion(struct completion *x);

#endif
