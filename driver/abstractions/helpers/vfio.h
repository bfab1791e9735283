/* SPDX-License-Identifier: GPL-2.0-only */
/* What only C can say about the VFIO and mdev headers. */
#ifndef VMIG_HELPERS_VFIO_H
#define VMIG_HELPERS_VFIO_H

#include <linux/types.h>

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

#endif
