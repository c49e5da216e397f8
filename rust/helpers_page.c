// SPDX-License-Identifier: GPL-2.0
/*
 * What helpers.c is, for pages by number: per-CPU page lists, hotplug, pageblocks, struct page and
 * addresses. No state, no policy, no allocation; rust/linux/ffi.rs declares each of them.
 */

#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/percpu.h>
#include <linux/trace_events.h>
#include <linux/vmalloc.h>
#include <trace/events/mmflags.h>

/* The prototypes are in rust/linux/ffi.rs; C has no other user. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

/* Sizes that rust/linux/ffi.rs asserts against its own view of the structs. */
size_t oxmm_sizeof_per_cpu_pages(void)
{
	return sizeof(struct per_cpu_pages);
}

size_t oxmm_sizeof_memory_notify(void)
{
	return sizeof(struct memory_notify);
}

/* Per-CPU page lists and counters: include/linux/mmzone.h, include/linux/percpu.h. */

struct per_cpu_pages *oxmm_zone_pcp(struct zone *zone, unsigned int cpu)
{
	return per_cpu_ptr(zone->per_cpu_pageset, cpu);
}

/* Interrupts stay on: see rust/linux/pcp.rs. */
void oxmm_pcp_lock(struct per_cpu_pages *pcp)
{
	spin_lock(&pcp->lock);
}

void oxmm_pcp_unlock(struct per_cpu_pages *pcp)
{
	spin_unlock(&pcp->lock);
}

/* The first page of the block that an entry of a list stands for. */
unsigned long oxmm_pcp_entry_to_pfn(const struct list_head *entry)
{
	return page_to_pfn(list_entry(entry, struct page, pcp_list));
}

/* The order of the two last lists, which huge pages have; -1 without them. */
int oxmm_pcp_thp_order(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ? HPAGE_PMD_ORDER : -1;
}

/*
 * What a CPU has not added to a counter of the zone yet, and the most it may keep. A kernel for one
 * CPU keeps nothing. Hotplug stores to the pointer.
 */
int oxmm_zone_stat_diff(struct zone *zone, unsigned int cpu, unsigned int item, int *threshold)
{
#ifdef CONFIG_SMP
	struct per_cpu_zonestat *stat = per_cpu_ptr(READ_ONCE(zone->per_cpu_zonestats), cpu);

	*threshold = READ_ONCE(stat->stat_threshold);
	return READ_ONCE(stat->vm_stat_diff[item]);
#else
	*threshold = 0;
	return 0;
#endif
}

/* The same of a counter of the node. */
int oxmm_node_stat_diff(struct pglist_data *pgdat, unsigned int cpu, unsigned int item, int *threshold)
{
#ifdef CONFIG_SMP
	struct per_cpu_nodestat *stat = per_cpu_ptr(READ_ONCE(pgdat->per_cpu_nodestats), cpu);

	*threshold = READ_ONCE(stat->stat_threshold);
	return READ_ONCE(stat->vm_node_stat_diff[item]);
#else
	*threshold = 0;
	return 0;
#endif
}

/* Hotplug and pages by number: include/linux/memory.h, include/linux/memory_hotplug.h. */

/* rust/linux/hotplug.rs repeats them. */
static_assert(MEM_GOING_OFFLINE == 1 && MEM_OFFLINE == 2 && MEM_CANCEL_OFFLINE == 5);

int oxmm_register_memory_notifier(struct notifier_block *notifier)
{
	return register_memory_notifier(notifier);
}

void oxmm_unregister_memory_notifier(struct notifier_block *notifier)
{
	unregister_memory_notifier(notifier);
}

struct page *oxmm_pfn_to_online_page(unsigned long pfn)
{
	return pfn_to_online_page(pfn);
}

/* How many pfns are online or not together; 1 where there are no sections. */
unsigned long oxmm_pfns_per_section(void)
{
#ifdef CONFIG_SPARSEMEM
	return PAGES_PER_SECTION;
#else
	return 1;
#endif
}

/* Pageblocks: include/linux/pageblock-flags.h; mm/page_alloc.c keeps the accessors. */

unsigned int oxmm_pageblock_order(void)
{
#ifdef CONFIG_HUGETLB_PAGE_SIZE_VARIABLE
	/* The variable is not exported; this is how set_pageblock_order() sets it. */
	if (HPAGE_SHIFT > PAGE_SHIFT)
		return min_t(unsigned int, HUGETLB_PAGE_ORDER, PAGE_BLOCK_MAX_ORDER);
	return PAGE_BLOCK_MAX_ORDER;
#else
	return pageblock_order;
#endif
}

/* The bits of the pageblock that an online page is in; -1 if it has none. */
int oxmm_pageblock_bits(const struct page *page, unsigned long pfn, unsigned int order)
{
	const unsigned long *bitmap;
	unsigned long bit;
#ifdef CONFIG_SPARSEMEM
	struct mem_section_usage *usage = READ_ONCE(__pfn_to_section(pfn)->usage);

	if (!usage)
		return -1;
	bitmap = usage->pageblock_flags;
	pfn &= PAGES_PER_SECTION - 1;
#else
	struct zone *zone = page_zone(page);
	unsigned long start = ALIGN_DOWN(zone->zone_start_pfn, 1UL << order);

	if (pfn < start || pfn >= zone_end_pfn(zone))
		return -1;
	bitmap = zone->pageblock_flags;
	pfn -= start;
#endif
	bit = (pfn >> order) * NR_PAGEBLOCK_BITS;
	return (READ_ONCE(bitmap[bit / BITS_PER_LONG]) >> (bit % BITS_PER_LONG)) &
	       ((1 << NR_PAGEBLOCK_BITS) - 1);
}

/* The order of the free block that starts at this page, or -1; the zone lock is held. */
int oxmm_buddy_order(const struct page *page)
{
	return PageBuddy(page) ? page_private(page) : -1;
}

struct zone *oxmm_page_zone(const struct page *page)
{
	return page_zone(page);
}

bool oxmm_pfn_valid(unsigned long pfn)
{
	return pfn_valid(pfn);
}

/* The section that a pfn would be in; 0 where there are none. rust/linux/frame.rs has the bits. */
unsigned int oxmm_section(unsigned long pfn, unsigned long *nr, unsigned long *block)
{
	unsigned int state = 0;
#ifdef CONFIG_SPARSEMEM
	const struct mem_section *section = NULL;

	state |= BIT(0);
	*nr = pfn_to_section_nr(pfn);
	if (*nr < NR_MEM_SECTIONS)
		section = __nr_to_section(*nr);
	if (section && present_section(section))
		state |= BIT(1);
	if (section && online_section(section))
		state |= BIT(2);
	if (section && early_section(section))
		state |= BIT(3);
#ifdef CONFIG_MEMORY_HOTPLUG
	*block = *nr / (memory_block_size_bytes() >> SECTION_SIZE_BITS);
	state |= BIT(4);
#endif
#endif
	return state;
}

/* Addresses: where a kernel address leads, by the numbers of rust/linux/address.rs. */
unsigned int oxmm_address_to_pfn(unsigned long address, unsigned long *pfn)
{
	const void *p = (const void *)address;

	if (virt_addr_valid(p)) {
		*pfn = PHYS_PFN(__pa(address));
		return (unsigned long)__va(__pa(address)) == address ? 1 : 2;
	}
#if defined(CONFIG_SPARSEMEM_VMEMMAP) || defined(CONFIG_FLATMEM)
	/* Elsewhere page_to_pfn() reads the page, which device memory does not have. */
	if (is_vmalloc_or_module_addr(p)) {
		unsigned long flags;
		struct page *page;

		/* See rust/linux/address.rs. */
		local_irq_save(flags);
		page = vmalloc_to_page(p);
		local_irq_restore(flags);
		*pfn = page ? page_to_pfn(page) : ULONG_MAX;
		return is_vmalloc_addr(p) ? 3 : 4;
	}
#endif
#ifdef CONFIG_SPARSEMEM_VMEMMAP
	if (address >= (unsigned long)vmemmap) {
		*pfn = (address - (unsigned long)vmemmap) / sizeof(struct page);
		if (pfn_valid(*pfn))
			return 5;
	}
#endif
	*pfn = ULONG_MAX;
	return 0;
}

/* A page and the folio it is in, copied: rust/linux/ffi.rs has the same struct. */
struct oxmm_page {
	unsigned long flags;
	unsigned long folio_flags;
	unsigned long head_pfn;
	unsigned int type;
	int refcount;
	int mapcount;
	unsigned int order;
	unsigned int mapping;
	unsigned int is_compound;
};

size_t oxmm_sizeof_page_copy(void)
{
	return sizeof(struct oxmm_page);
}

/* How often this page is mapped, as /proc/kpagecount says; both are copies. */
static int oxmm_mapcount(const struct page *page, const struct folio *folio)
{
	int mapcount = atomic_read(&page->_mapcount) + 1;

	if (page_mapcount_is_type(mapcount))
		mapcount = 0;
	if (folio_test_large(folio))
		mapcount += folio_entire_mapcount(folio);
	return mapcount;
}

/*
 * Nobody is kept from freeing the page or from making it part of another folio, so that everything
 * is worked out from copies; when they do not fit together after some tries, from the page alone.
 */
void oxmm_copy_page(const struct page *page, struct oxmm_page *to)
{
	const struct folio *head;
	unsigned long index;
	struct folio folio;
	struct page own;
	bool fits;
	int tries = 5;

	do {
		head = page_folio(page);
		memcpy(&own, page, sizeof(own));
		memset(&folio, 0, sizeof(folio));
		memcpy(&folio, head, sizeof(struct page));
		fits = !(folio.page.compound_info & 1);
		if (fits && folio_test_large(&folio))
			memcpy(&folio, head, 2 * sizeof(struct page));
		index = page_to_pfn(page) - page_to_pfn(&head->page);
		fits = fits && page_folio(page) == head && !(folio.page.compound_info & 1) &&
		       folio_order(&folio) < BITS_PER_LONG && index < 1UL << folio_order(&folio);
	} while (!fits && --tries);
	if (!fits) {
		memset(&folio, 0, sizeof(folio));
		memcpy(&folio, &own, sizeof(own));
		folio.page.compound_info = 0;
		folio.flags.f &= ~BIT(PG_head);
		index = 0;
	}
	*to = (struct oxmm_page) {
		.flags = own.flags.f,
		.folio_flags = folio.flags.f,
		.head_pfn = page_to_pfn(page) - index,
		.type = folio.page.page_type,
		.refcount = folio_ref_count(&folio),
		.mapcount = oxmm_mapcount(&own, &folio),
		.order = folio_order(&folio),
		.mapping = folio_test_ksm(&folio) ? 3 : folio_test_anon(&folio) ? 2 : !!folio.mapping,
		.is_compound = folio_test_large(&folio),
	};
}

/* The name of a page flag and its bit, by number; NULL past the last. */
const char *oxmm_page_flag(unsigned int index, unsigned long *mask)
{
	static const struct trace_print_flags names[] = { __def_pageflag_names };

	if (index >= ARRAY_SIZE(names))
		return NULL;
	*mask = names[index].mask;
	return names[index].name;
}

/*
 * The group that a page is charged to: its path goes into `path`, empty if it is longer; returns the
 * inode that page_cgroup_ino() gives, 0 for none. The caller has RCU read-locked: page_cgroup_ino()
 * says why nothing else is needed.
 */
unsigned long oxmm_page_cgroup(struct page *page, char *path, size_t size, bool *online)
{
	unsigned long ino = 0;

	*path = '\0';
	*online = false;
#ifdef CONFIG_MEMCG
	struct mem_cgroup *memcg = folio_memcg_check(page_folio(page));

	if (memcg) {
		*online = css_is_online(&memcg->css);
		if (cgroup_path(memcg->css.cgroup, path, size) < 0)
			*path = '\0';
		ino = page_cgroup_ino(page);
	}
#endif
	return ino;
}
