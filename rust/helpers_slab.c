// SPDX-License-Identifier: GPL-2.0
/*
 * What helpers.c is, for slab caches: allocation, the slab of an address, SLUB's locks, and work on
 * a CPU. No state, no policy; rust/linux/ffi.rs declares each of them.
 */

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* The prototypes are in rust/linux/ffi.rs; C has no other user. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

/* Slab: include/linux/slab.h; macros, for allocation profiling. */

void *oxmm_kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp, int nid)
{
	if (nid == NUMA_NO_NODE)
		return kmem_cache_alloc(cache, gfp);
	return kmem_cache_alloc_node(cache, gfp, nid);
}

bool oxmm_kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp, size_t nr, void **objects)
{
	return kmem_cache_alloc_bulk(cache, gfp, nr, objects);
}

void *oxmm_kmalloc(size_t size, gfp_t gfp, int nid)
{
	if (nid == NUMA_NO_NODE)
		return kmalloc(size, gfp);
	return kmalloc_node(size, gfp, nid);
}

/* The first page of the slab that a page is of; NULL if it is of none (page_slab()). */
struct page *oxmm_slab_page(struct page *page)
{
	page = compound_head(page);
	return data_race(page->page_type >> 24) == PGTY_slab ? page : NULL;
}

/* Locks, and work on a CPU: include/linux/spinlock.h, include/linux/workqueue.h. */

unsigned long oxmm_spin_lock(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

void oxmm_spin_unlock(spinlock_t *lock, unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}

/* Has a worker that is bound to the CPU call, and waits for it. */
long oxmm_on_cpu(unsigned int cpu, long (*call)(void *), void *info)
{
	long result = -ENODEV;

	cpus_read_lock();
	if (cpu_online(cpu))
		result = work_on_cpu(cpu, call, info);
	cpus_read_unlock();
	return result;
}

unsigned int oxmm_num_present_cpus(void)
{
	return num_present_cpus();
}
