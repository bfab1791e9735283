// SPDX-License-Identifier: GPL-2.0-only

#include <linux/completion.h>
#include <linux/spinlock.h>

#include "completion.h"

void vmig_reinit_completion(struct completion *x)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&x->wait.lock, flags);
	x->done = 0;
	raw_spin_unlock_irqrestore(&x->wait.lock, flags);
}
