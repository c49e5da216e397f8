// SPDX-License-Identifier: GPL-2.0
/*
 * What measuring needs: threads on chosen CPUs, and the locks whose cost is the
 * floor under every figure. No state, no policy; rust/linux/ffi.rs declares each.
 */

#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>

/* The prototypes are in rust/linux/ffi.rs; C has no other user. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

/* Threads: include/linux/kthread.h. Made, then started; each ends when it is stopped. */

struct task_struct *oxmm_thread_on(unsigned int cpu, int (*work)(void *), void *data)
{
	struct task_struct *thread = kthread_create_on_cpu(work, data, cpu, "oxmm/%u");

	return IS_ERR(thread) ? NULL : thread;
}

void oxmm_thread_start(struct task_struct *thread)
{
	wake_up_process(thread);
}

void oxmm_thread_wait_for_stop(void)
{
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}

int oxmm_thread_stop(struct task_struct *thread)
{
	return kthread_stop(thread);
}

/* Loops over what Linux inlines: include/linux/irqflags.h, spinlock.h, vmstat.h. */

void oxmm_loop_irqsave(unsigned long times)
{
	while (times--) {
		unsigned long flags;

		local_irq_save(flags);
		local_irq_restore(flags);
	}
}

void oxmm_loop_spinlock(unsigned long times)
{
	spinlock_t lock;

	/* At run time: lockdep has no key for one that is on the stack. */
	spin_lock_init(&lock);
	while (times--) {
		spin_lock(&lock);
		spin_unlock(&lock);
	}
}

/* An event that nothing counts on oxmm's behalf, by one and back. */
void oxmm_loop_count(unsigned long times)
{
	while (times--)
		count_vm_events(PGROTATED, times & 1 ? 1 : -1);
}
