// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Library of the vmig helper.
