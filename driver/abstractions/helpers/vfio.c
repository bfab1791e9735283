// SPDX-License-Identifier: GPL-2.0-only

#include <linux/mdev.h>
#include <linux/vfio.h>

#include "vfio.h"

const struct vmig_layout vmig_layout = {
	.vfio_device = sizeof(struct vfio_device),
	.vfio_device_ops = sizeof(struct vfio_device_ops),
	.vfio_migration_ops = sizeof(struct vfio_migration_ops),
	.vfio_log_ops = sizeof(struct vfio_log_ops),
	.mdev_device = sizeof(struct mdev_device),
	.mdev_driver = sizeof(struct mdev_driver),
	.mdev_parent = sizeof(struct mdev_parent),
	.mdev_type = sizeof(struct mdev_type),
};
