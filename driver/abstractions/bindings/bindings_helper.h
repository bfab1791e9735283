/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Headers that bindgen reads. What `kernel::bindings` already has is not
 * allow-listed in driver/Kbuild, so that its types stay the kernel crate's own.
 */

/* Both first: bindgen trips over forward references to their enums. */
#include <linux/hrtimer_types.h>
#include <uapi/linux/vfio.h>

#include <linux/anon_inodes.h>
#include <linux/crc32.h>
#include <linux/iova_bitmap.h>
#include <linux/mdev.h>
#include <linux/rmap.h>
#include <linux/vfio.h>

#include "../helpers/completion.h"
#include "../helpers/mm.h"
#include "../helpers/vfio.h"

/* Function-like macros, which bindgen does not evaluate. */
const unsigned int VMIG_CONST_VFIO_DEVICE_GET_INFO = VFIO_DEVICE_GET_INFO;
const unsigned int VMIG_CONST_VFIO_DEVICE_GET_REGION_INFO = VFIO_DEVICE_GET_REGION_INFO;
const unsigned int VMIG_CONST_VFIO_DEVICE_GET_IRQ_INFO = VFIO_DEVICE_GET_IRQ_INFO;
const unsigned int VMIG_CONST_VFIO_DEVICE_SET_IRQS = VFIO_DEVICE_SET_IRQS;
const unsigned int VMIG_CONST_VFIO_DEVICE_RESET = VFIO_DEVICE_RESET;
const unsigned int VMIG_CONST_VFIO_MIG_GET_PRECOPY_INFO = VFIO_MIG_GET_PRECOPY_INFO;
