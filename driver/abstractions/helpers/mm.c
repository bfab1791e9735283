// SPDX-License-Identifier: GPL-2.0-only

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "mm.h"

void vmig_get_page(struct page *page)
{
	get_page(page);
}

void vmig_put_page(struct page *page)
{
	put_page(page);
}

void vmig_lock_page(struct page *page)
{
	lock_page(page);
}

void vmig_unlock_page(struct page *page)
{
	unlock_page(page);
}

bool vmig_page_is_poisoned(const struct page *page)
{
	return PageHWPoison(page);
}

void *vmig_page_address(const struct page *page)
{
	return page_address(page);
}

unsigned long vmig_page_to_pfn(struct page *page)
{
	return page_to_pfn(page);
}

void *vmig_get_mem_cgroup(void)
{
	return get_mem_cgroup_from_mm(current->mm);
}

void vmig_ref_mem_cgroup(void *memcg)
{
#ifdef CONFIG_MEMCG
	css_get(&((struct mem_cgroup *)memcg)->css);
#endif
}

void vmig_put_mem_cgroup(void *memcg)
{
	mem_cgroup_put(memcg);
}

void *vmig_set_active_memcg(void *memcg)
{
	return set_active_memcg(memcg);
}
