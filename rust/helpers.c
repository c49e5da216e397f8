// SPDX-License-Identifier: GPL-2.0
/*
 * One function per macro, inline or IRQ-saving lock that Rust cannot reach.
 * No state, no policy, no allocation; rust/linux/ffi.rs declares each of them.
 */

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sprintf.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/utsname.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <generated/utsrelease.h>

/* The prototypes are in rust/linux/ffi.rs; C has no other user. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

/* Sizes that rust/linux/ffi.rs asserts against its own view of the structs. */
size_t oxmm_sizeof_zone(void)
{
	return sizeof(struct zone);
}

size_t oxmm_sizeof_pglist_data(void)
{
	return sizeof(struct pglist_data);
}

/* Nodes: include/linux/nodemask.h, include/linux/topology.h. */

struct pglist_data *oxmm_node_data(int nid)
{
	return NODE_DATA(nid);
}

bool oxmm_node_state(int nid, int state)
{
	return node_state(nid, state);
}

int oxmm_node_distance(int from, int to)
{
	return node_distance(from, to);
}

bool oxmm_node_has_online_cpu(int nid, unsigned int cpu)
{
	return cpu_online(cpu) && cpumask_test_cpu(cpu, cpumask_of_node(nid));
}

bool oxmm_cpu_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

/* Zones: include/linux/mmzone.h, include/linux/vmstat.h. */

int oxmm_zone_node(struct zone *zone)
{
	return zone_to_nid(zone);
}

unsigned long oxmm_zone_managed_pages(struct zone *zone)
{
	return zone_managed_pages(zone);
}

unsigned long oxmm_zone_cma_pages(struct zone *zone)
{
	return zone_cma_pages(zone);
}

unsigned long oxmm_zone_page_state(struct zone *zone, int item)
{
	return zone_page_state(zone, item);
}

/* The counter and what every CPU has not folded into it yet. */
unsigned long oxmm_zone_page_state_snapshot(struct zone *zone, int item)
{
	return zone_page_state_snapshot(zone, item);
}

unsigned long oxmm_zone_lock(struct zone *zone)
{
	unsigned long flags;

	spin_lock_irqsave(&zone->lock, flags);
	return flags;
}

void oxmm_zone_unlock(struct zone *zone, unsigned long flags)
{
	spin_unlock_irqrestore(&zone->lock, flags);
}

/* Statistics: include/linux/mmzone.h, include/linux/vmstat.h; the names are those of /proc/vmstat. */

const char *oxmm_zone_stat_name(unsigned int item)
{
	static const char *const names[NR_VM_ZONE_STAT_ITEMS] = {
		[NR_FREE_PAGES] = "nr_free_pages",
		[NR_FREE_PAGES_BLOCKS] = "nr_free_pages_blocks",
		[NR_ZONE_INACTIVE_ANON] = "nr_zone_inactive_anon",
		[NR_ZONE_ACTIVE_ANON] = "nr_zone_active_anon",
		[NR_ZONE_INACTIVE_FILE] = "nr_zone_inactive_file",
		[NR_ZONE_ACTIVE_FILE] = "nr_zone_active_file",
		[NR_ZONE_UNEVICTABLE] = "nr_zone_unevictable",
		[NR_ZONE_WRITE_PENDING] = "nr_zone_write_pending",
		[NR_MLOCK] = "nr_mlock",
#if IS_ENABLED(CONFIG_ZSMALLOC)
		[NR_ZSPAGES] = "nr_zspages",
#endif
		[NR_FREE_CMA_PAGES] = "nr_free_cma",
#ifdef CONFIG_UNACCEPTED_MEMORY
		[NR_UNACCEPTED] = "nr_unaccepted",
#endif
	};

	return item < ARRAY_SIZE(names) ? names[item] : NULL;
}

const char *oxmm_node_stat_name(unsigned int item)
{
	static const char *const names[NR_VM_NODE_STAT_ITEMS] = {
		[NR_INACTIVE_ANON] = "nr_inactive_anon",
		[NR_ACTIVE_ANON] = "nr_active_anon",
		[NR_INACTIVE_FILE] = "nr_inactive_file",
		[NR_ACTIVE_FILE] = "nr_active_file",
		[NR_UNEVICTABLE] = "nr_unevictable",
		[NR_SLAB_RECLAIMABLE_B] = "nr_slab_reclaimable",
		[NR_SLAB_UNRECLAIMABLE_B] = "nr_slab_unreclaimable",
		[NR_ISOLATED_ANON] = "nr_isolated_anon",
		[NR_ISOLATED_FILE] = "nr_isolated_file",
		[WORKINGSET_NODES] = "workingset_nodes",
		[WORKINGSET_REFAULT_ANON] = "workingset_refault_anon",
		[WORKINGSET_REFAULT_FILE] = "workingset_refault_file",
		[WORKINGSET_ACTIVATE_ANON] = "workingset_activate_anon",
		[WORKINGSET_ACTIVATE_FILE] = "workingset_activate_file",
		[WORKINGSET_RESTORE_ANON] = "workingset_restore_anon",
		[WORKINGSET_RESTORE_FILE] = "workingset_restore_file",
		[WORKINGSET_NODERECLAIM] = "workingset_nodereclaim",
		[NR_ANON_MAPPED] = "nr_anon_pages",
		[NR_FILE_MAPPED] = "nr_mapped",
		[NR_FILE_PAGES] = "nr_file_pages",
		[NR_FILE_DIRTY] = "nr_dirty",
		[NR_WRITEBACK] = "nr_writeback",
		[NR_SHMEM] = "nr_shmem",
		[NR_SHMEM_THPS] = "nr_shmem_hugepages",
		[NR_SHMEM_PMDMAPPED] = "nr_shmem_pmdmapped",
		[NR_FILE_THPS] = "nr_file_hugepages",
		[NR_FILE_PMDMAPPED] = "nr_file_pmdmapped",
		[NR_ANON_THPS] = "nr_anon_transparent_hugepages",
		[NR_VMSCAN_WRITE] = "nr_vmscan_write",
		[NR_VMSCAN_IMMEDIATE] = "nr_vmscan_immediate_reclaim",
		[NR_DIRTIED] = "nr_dirtied",
		[NR_WRITTEN] = "nr_written",
		[NR_THROTTLED_WRITTEN] = "nr_throttled_written",
		[NR_KERNEL_MISC_RECLAIMABLE] = "nr_kernel_misc_reclaimable",
		[NR_FOLL_PIN_ACQUIRED] = "nr_foll_pin_acquired",
		[NR_FOLL_PIN_RELEASED] = "nr_foll_pin_released",
		[NR_VMALLOC] = "nr_vmalloc",
		[NR_KERNEL_STACK_KB] = "nr_kernel_stack",
#if IS_ENABLED(CONFIG_SHADOW_CALL_STACK)
		[NR_KERNEL_SCS_KB] = "nr_shadow_call_stack",
#endif
		[NR_PAGETABLE] = "nr_page_table_pages",
		[NR_SECONDARY_PAGETABLE] = "nr_sec_page_table_pages",
#ifdef CONFIG_IOMMU_SUPPORT
		[NR_IOMMU_PAGES] = "nr_iommu_pages",
#endif
#ifdef CONFIG_SWAP
		[NR_SWAPCACHE] = "nr_swapcached",
#endif
#ifdef CONFIG_NUMA_BALANCING
		[PGPROMOTE_SUCCESS] = "pgpromote_success",
		[PGPROMOTE_CANDIDATE] = "pgpromote_candidate",
		[PGPROMOTE_CANDIDATE_NRL] = "pgpromote_candidate_nrl",
#endif
		[PGDEMOTE_KSWAPD] = "pgdemote_kswapd",
		[PGDEMOTE_DIRECT] = "pgdemote_direct",
		[PGDEMOTE_KHUGEPAGED] = "pgdemote_khugepaged",
		[PGDEMOTE_PROACTIVE] = "pgdemote_proactive",
		[PGSTEAL_KSWAPD] = "pgsteal_kswapd",
		[PGSTEAL_DIRECT] = "pgsteal_direct",
		[PGSTEAL_KHUGEPAGED] = "pgsteal_khugepaged",
		[PGSTEAL_PROACTIVE] = "pgsteal_proactive",
		[PGSTEAL_ANON] = "pgsteal_anon",
		[PGSTEAL_FILE] = "pgsteal_file",
		[PGSCAN_KSWAPD] = "pgscan_kswapd",
		[PGSCAN_DIRECT] = "pgscan_direct",
		[PGSCAN_KHUGEPAGED] = "pgscan_khugepaged",
		[PGSCAN_PROACTIVE] = "pgscan_proactive",
		[PGSCAN_ANON] = "pgscan_anon",
		[PGSCAN_FILE] = "pgscan_file",
		[PGREFILL] = "pgrefill",
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0)
		[PGROTATE_ANON] = "pgrotate_anon",
		[PGROTATE_FILE] = "pgrotate_file",
#endif
#ifdef CONFIG_HUGETLB_PAGE
		[NR_HUGETLB] = "nr_hugetlb",
#endif
		[NR_BALLOON_PAGES] = "nr_balloon_pages",
		[NR_KERNEL_FILE_PAGES] = "nr_kernel_file_pages",
		[NR_GPU_ACTIVE] = "nr_gpu_active",
		[NR_GPU_RECLAIM] = "nr_gpu_reclaim",
	};

	return item < ARRAY_SIZE(names) ? names[item] : NULL;
}

/* What a request inherits from the task and CPU that make it: include/linux/sched.h. */

unsigned int oxmm_cpu(void)
{
	return raw_smp_processor_id();
}

int oxmm_cpu_to_node(unsigned int cpu)
{
	return cpu_to_node(cpu);
}

bool oxmm_node_allowed(int nid)
{
#ifdef CONFIG_CPUSETS
	return node_isset(nid, current->mems_allowed);
#else
	return true;
#endif
}

bool oxmm_task_has_policy(void)
{
#ifdef CONFIG_NUMA
	return current->mempolicy;
#else
	return false;
#endif
}

bool oxmm_task_is_realtime(void)
{
	return rt_or_dl_task(current);
}

/* mm/page_alloc.c: since 7.3 the first attempt has alloc_flags_nonblocking(). */
bool oxmm_highatomic_first(void)
{
	return LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0);
}

/* Pages: include/linux/gfp.h, include/linux/mm.h. */

struct page *oxmm_alloc_pages(int nid, gfp_t gfp, unsigned int order)
{
	if (nid == NUMA_NO_NODE)
		return alloc_pages(gfp, order);
	return alloc_pages_node(nid, gfp, order);
}

/* `words` is a bitmap of 1024 nodes, of which this kernel has the first MAX_NUMNODES. */
struct page *oxmm_alloc_pages_nodes(int nid, gfp_t gfp, unsigned int order, const u64 *words)
{
	nodemask_t nodes;

	BUILD_BUG_ON(MAX_NUMNODES > 1024);
	bitmap_from_arr64(nodes.bits, words, MAX_NUMNODES);
	return __alloc_pages(gfp, order, nid, &nodes);
}

/* What is null in `pages` becomes a page, from the front, as far as there are any. */
unsigned long oxmm_alloc_pages_bulk(int nid, gfp_t gfp, int count, struct page **pages)
{
	return alloc_pages_bulk_node(gfp, nid, count, pages);
}

void *oxmm_page_address(const struct page *page)
{
	return page_address(page);
}

unsigned long oxmm_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

int oxmm_page_to_nid(const struct page *page)
{
	return page_to_nid(page);
}

int oxmm_page_zonenum(const struct page *page)
{
	return page_zonenum(page);
}

struct page *oxmm_virt_to_page(const void *addr)
{
	return virt_to_page(addr);
}

/* Per-CPU memory: include/linux/percpu.h, include/linux/smp.h. */

bool oxmm_cpu_possible(unsigned int cpu)
{
	return cpu_possible(cpu);
}

void __percpu *oxmm_alloc_percpu(size_t size, size_t align, gfp_t gfp)
{
	return __alloc_percpu_gfp(size, align, gfp);
}

void oxmm_free_percpu(void __percpu *cookie)
{
	free_percpu(cookie);
}

void *oxmm_per_cpu_ptr(void __percpu *cookie, unsigned int cpu)
{
	return per_cpu_ptr(cookie, cpu);
}

/* The caller stays on its CPU. */
void *oxmm_this_cpu_ptr(void __percpu *cookie)
{
	return this_cpu_ptr(cookie);
}

/* The page that a copy begins in: per_cpu_ptr_to_phys() is not exported. */
struct page *oxmm_percpu_page(const void *copy)
{
	return is_vmalloc_addr(copy) ? vmalloc_to_page(copy) : virt_to_page(copy);
}

/* Runs `call` on every online CPU with interrupts off, and waits. */
void oxmm_on_each_cpu(smp_call_func_t call, void *info)
{
	on_each_cpu(call, info, true);
}

/* Areas: include/linux/vmalloc.h. */

void oxmm_vfree(const void *area)
{
	vfree(area);
}

/* Staying on a CPU: include/linux/preempt.h, include/linux/irqflags.h. */

void oxmm_preempt_disable(void)
{
	preempt_disable();
}

void oxmm_preempt_enable(void)
{
	preempt_enable();
}

unsigned long oxmm_irq_save(void)
{
	unsigned long flags;

	local_irq_save(flags);
	return flags;
}

void oxmm_irq_restore(unsigned long flags)
{
	local_irq_restore(flags);
}

/* GFP flags: include/linux/gfp_types.h; their bits depend on the configuration. */

/* The zone that flags ask for, or -1 for a combination gfp_zone() has no zone for. */
int oxmm_gfp_zone(gfp_t gfp)
{
	if ((GFP_ZONE_BAD >> (__force int)(gfp & GFP_ZONEMASK)) & 1)
		return -1;
	return gfp_zone(gfp);
}

bool oxmm_gfp_known(gfp_t gfp)
{
	return !(gfp & ~__GFP_BITS_MASK);
}

bool oxmm_gfp_by_name(const char *name, size_t len, gfp_t *gfp)
{
#define OXMM_GFP(flag) { #flag, flag }
	static const struct {
		const char *name;
		gfp_t gfp;
	} table[] = {
		OXMM_GFP(__GFP_DMA), OXMM_GFP(__GFP_HIGHMEM),
		OXMM_GFP(__GFP_DMA32), OXMM_GFP(__GFP_MOVABLE),
		OXMM_GFP(__GFP_RECLAIMABLE), OXMM_GFP(__GFP_WRITE),
		OXMM_GFP(__GFP_HARDWALL), OXMM_GFP(__GFP_THISNODE),
		OXMM_GFP(__GFP_ACCOUNT), OXMM_GFP(__GFP_HIGH),
		OXMM_GFP(__GFP_MEMALLOC), OXMM_GFP(__GFP_NOMEMALLOC),
		OXMM_GFP(__GFP_IO), OXMM_GFP(__GFP_FS),
		OXMM_GFP(__GFP_DIRECT_RECLAIM), OXMM_GFP(__GFP_KSWAPD_RECLAIM),
		OXMM_GFP(__GFP_RECLAIM), OXMM_GFP(__GFP_RETRY_MAYFAIL),
		OXMM_GFP(__GFP_NOFAIL), OXMM_GFP(__GFP_NORETRY),
		OXMM_GFP(__GFP_NOWARN), OXMM_GFP(__GFP_COMP),
		OXMM_GFP(__GFP_ZERO), OXMM_GFP(__GFP_ZEROTAGS),
		OXMM_GFP(__GFP_SKIP_ZERO), OXMM_GFP(__GFP_SKIP_KASAN),
		OXMM_GFP(__GFP_NOLOCKDEP),
#ifdef __GFP_NO_OBJ_EXT
		OXMM_GFP(__GFP_NO_OBJ_EXT),
#endif
		OXMM_GFP(GFP_ATOMIC), OXMM_GFP(GFP_KERNEL),
		OXMM_GFP(GFP_KERNEL_ACCOUNT), OXMM_GFP(GFP_NOWAIT),
		OXMM_GFP(GFP_NOIO), OXMM_GFP(GFP_NOFS), OXMM_GFP(GFP_USER),
		OXMM_GFP(GFP_DMA), OXMM_GFP(GFP_DMA32), OXMM_GFP(GFP_HIGHUSER),
		OXMM_GFP(GFP_HIGHUSER_MOVABLE), OXMM_GFP(GFP_TRANSHUGE_LIGHT),
		OXMM_GFP(GFP_TRANSHUGE),
	};
#undef OXMM_GFP
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (strlen(table[i].name) == len && !memcmp(table[i].name, name, len)) {
			*gfp = table[i].gfp;
			return true;
		}
	}
	return false;
}

/* Scheduling: a long loop over allocations gives way as mm/ does. */
void oxmm_cond_resched(void)
{
	cond_resched();
}

/* Addresses as `%p` prints them: lib/vsprintf.c. */
void oxmm_print_pointer(char *text, size_t size, uintptr_t address)
{
	scnprintf(text, size, "%p", (void *)address);
}

/* Versions, on both sides: the kernel that runs and the one this was built for. */

const char *oxmm_running_release(void)
{
	return init_utsname()->release;
}

const char *oxmm_built_release(void)
{
	return UTS_RELEASE;
}

const char *oxmm_built_rustc(void)
{
	return OXMM_RUSTC;
}

const char *oxmm_kernel_rustc(void)
{
	return CONFIG_RUSTC_VERSION_TEXT;
}

const char *oxmm_kernel_cc(void)
{
	return CONFIG_CC_VERSION_TEXT;
}
