/* SPDX-License-Identifier: GPL-2.0-only */
/* Inline functions of the memory management. */
#ifndef VMIG_HELPERS_MM_H
#define VMIG_HELPERS_MM_H

#include <linux/types.h>

struct page;

void vmig_get_page(struct page *page);
void vmig_put_page(struct page *page);
void vmig_lock_page(struct page *page);
void vmig_unlock_page(struct page *page);
bool vmig_page_is_poisoned(const struct page *page);
void *vmig_page_address(const struct page *page);
unsigned long vmig_page_to_pfn(struct page *page);

/*
 * A memory cgroup is a `void *` here: `struct mem_cgroup` has members in some
 * configurations only, and Rust needs none of them.
 */

/* get_mem_cgroup_from_mm() of the current task; NULL without a memory cgroup */
void *vmig_get_mem_cgroup(void);

/* css_get(), mem_cgroup_put() */
void vmig_ref_mem_cgroup(void *memcg);
void vmig_put_mem_cgroup(void *memcg);

/* set_active_memcg() */
void *vmig_set_active_memcg(void *memcg);

#endif
