// SPDX-License-Identifier: GPL-2.0-only

#include <linux/mdev.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
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

bool vmig_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

u32 vmig_array_index_nospec(u32 index, u32 size)
{
	return array_index_nospec(index, size);
}

#ifdef CONFIG_CFI
static const struct vmig_migration_ops *vmig_ops(struct vfio_device *device)
{
	return container_of(device->mig_ops, struct vmig_migration_ops, ops);
}

struct file *vmig_migration_set_state(struct vfio_device *device,
				      enum vfio_device_mig_state new_state)
{
	return vmig_ops(device)->set_state(device, new_state);
}

int vmig_migration_get_state(struct vfio_device *device,
			     enum vfio_device_mig_state *curr_state)
{
	u32 state;
	int ret;

	ret = vmig_ops(device)->get_state(device, &state);
	if (!ret)
		*curr_state = state;
	return ret;
}
#endif
