/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read before each C file of the kernel uml-smp: fences and per-CPU counters as cheap
 * as they are on x86. ARCH=um takes them from the generic headers, which know neither
 * that x86 keeps stores in order nor that it adds to memory in one instruction: it
 * ends a spin lock with an mfence, and masks interrupts around every event that it
 * counts, which is a system call there. Each is a macro that those headers define
 * only if it is not there yet.
 *
 * Masking itself stays a system call; the rows of `primitive` say what that costs.
 */

/* Some files are programs of the host's. */
#if !defined(__UM_HOST__) && !defined(__ASSEMBLER__)

/* x86 lets no load or store pass another one, but loads that come after stores. */
#define __smp_mb()			asm volatile("lock addl $0, -4(%%rsp)" : : : "memory", "cc")
#define __smp_rmb()			barrier()
#define __smp_wmb()			barrier()
#define __smp_mb__before_atomic()	barrier()
#define __smp_mb__after_atomic()	barrier()

#define __smp_store_release(place, value)				\
do {									\
	compiletime_assert_atomic_type(*(place));			\
	barrier();							\
	WRITE_ONCE(*(place), value);					\
} while (0)

#define __smp_load_acquire(place)					\
({									\
	typeof(*(place)) oxmm_loaded = READ_ONCE(*(place));		\
									\
	compiletime_assert_atomic_type(*(place));			\
	barrier();							\
	oxmm_loaded;							\
})

/*
 * One instruction, which no interrupt divides. The task stays on its CPU between the
 * address and the sum, for this kernel does not preempt itself.
 */
#ifdef CONFIG_PREEMPTION
#error "a preemptible kernel has to find the CPU's copy and add to it at once"
#endif

#define oxmm_add_here(instruction, constraint, type, counter, value)	\
	asm volatile(instruction " %1, %0"				\
		     : "+m" (*raw_cpu_ptr(&(counter)))			\
		     : constraint ((type)(unsigned long)(value))	\
		     : "cc")

#define this_cpu_add_1(counter, value)	oxmm_add_here("addb", "qi", unsigned char, counter, value)
#define this_cpu_add_2(counter, value)	oxmm_add_here("addw", "ri", unsigned short, counter, value)
#define this_cpu_add_4(counter, value)	oxmm_add_here("addl", "ri", unsigned int, counter, value)
#define this_cpu_add_8(counter, value)	oxmm_add_here("addq", "re", unsigned long, counter, value)

#endif
