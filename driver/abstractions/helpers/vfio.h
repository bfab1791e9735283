/* SPDX-License-Identifier: GPL-2.0-only */
/* What only C can say about the VFIO and mdev headers. */
#ifndef VMIG_HELPERS_VFIO_H
#define VMIG_HELPERS_VFIO_H

#include <linux/types.h>
#include <linux/vfio.h>

/*
 * Sizes as the kernel's compiler sees them. bindgen reads the headers with
 * clang whatever compiler built the kernel; the module compares the two views
 * before it registers anything.
 */
struct vmig_layout {
	size_t vfio_device;
	size_t vfio_device_ops;
	size_t vfio_migration_ops;
	size_t vfio_log_ops;
	size_t mdev_device;
	size_t mdev_driver;
	size_t mdev_parent;
	size_t mdev_type;
};

extern const struct vmig_layout vmig_layout;

/* fatal_signal_pending() of the current task */
bool vmig_fatal_signal_pending(void);

/* array_index_nospec() */
u32 vmig_array_index_nospec(u32 index, u32 size);

#ifdef CONFIG_CFI
/*
 * Indirect calls are checked against the type of the function, and Rust knows
 * enums as integers only. The callbacks with an enum in their type are written
 * in C and pass on to those that stand behind the table.
 */
struct vmig_migration_ops {
	struct vfio_migration_ops ops;
	struct file *(*set_state)(struct vfio_device *device, u32 new_state);
	int (*get_state)(struct vfio_device *device, u32 *curr_state);
};

struct file *vmig_migration_set_state(struct vfio_device *device,
				      enum vfio_device_mig_state new_state);
int vmig_migration_get_state(struct vfio_device *device,
			     enum vfio_device_mig_state *curr_state);
#endif

#endif
