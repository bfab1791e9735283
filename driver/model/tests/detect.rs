// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What Linux makes of a port: the detection of `drivers/tty/serial/8250/8250_port.c` (7.3.4), step by
//! step, with and without `CONFIG_SERIAL_8250_16550A_VARIANTS`.

use crate::support::*;

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Unknown,
    Uart8250,
    Uart16450,
    Uart16550,
    Uart16550A,
    Uart16550AFsl64,
    Uart16650,
    Efr,
    Ns16550A,
    Uart16750,
    Xscale,
    U6,
}

struct Port<'d> {
    dut: &'d mut Dut,
    base: u64,
    variants: bool,
}

impl Port<'_> {
    fn serial_in(&mut self, at: u64) -> u8 {
        inb(self.dut, self.base + at)
    }

    fn serial_out(&mut self, at: u64, value: u8) {
        outb(self.dut, self.base + at, value);
    }

    fn serial_dl_read(&mut self) -> u16 {
        u16::from_le_bytes([self.serial_in(DLL), self.serial_in(DLM)])
    }

    fn serial_dl_write(&mut self, value: u16) {
        let [low, high] = value.to_le_bytes();
        self.serial_out(DLL, low);
        self.serial_out(DLM, high);
    }

    fn size_fifo(&mut self) -> usize {
        let old_lcr = self.serial_in(LCR);
        self.serial_out(LCR, 0);
        let old_fcr = self.serial_in(FCR);
        let old_mcr = self.serial_in(MCR);
        self.serial_out(FCR, 0x07);
        self.serial_out(MCR, 0x10);
        self.serial_out(LCR, 0x80);
        let old_dl = self.serial_dl_read();
        self.serial_dl_write(0x0001);
        self.serial_out(LCR, 0x03);
        for count in 0..=255 {
            self.serial_out(THR, count);
        }
        let mut count = 0;
        while self.serial_in(LSR) & 0x01 != 0 && count < 256 {
            self.serial_in(RBR);
            count += 1;
        }
        self.serial_out(FCR, old_fcr);
        self.serial_out(MCR, old_mcr);
        self.serial_out(LCR, 0x80);
        self.serial_dl_write(old_dl);
        self.serial_out(LCR, old_lcr);
        count
    }

    fn read_divisor_id(&mut self) -> u16 {
        let old_lcr = self.serial_in(LCR);
        self.serial_out(LCR, 0x80);
        let old_dl = self.serial_dl_read();
        self.serial_dl_write(0);
        let id = self.serial_dl_read();
        self.serial_dl_write(old_dl);
        self.serial_out(LCR, old_lcr);
        id
    }

    fn broken_efr(&mut self) -> bool {
        self.read_divisor_id() == 0x0201 && self.size_fifo() == 16
    }

    fn autoconfig_8250(&mut self) -> Found {
        let scratch = self.serial_in(SCR);
        self.serial_out(SCR, 0xa5);
        let status1 = self.serial_in(SCR);
        self.serial_out(SCR, 0x5a);
        let status2 = self.serial_in(SCR);
        self.serial_out(SCR, scratch);
        if status1 == 0xa5 && status2 == 0x5a {
            Found::Uart16450
        } else {
            Found::Uart8250
        }
    }

    fn autoconfig_16550a(&mut self) -> Found {
        if !self.variants {
            return Found::Uart16550A;
        }
        let efr = IIR;
        self.serial_out(LCR, 0x80);
        if self.serial_in(efr) == 0 {
            self.serial_out(efr, 0xa8);
            let mut found = Found::Uart16550A;
            if self.serial_in(efr) != 0 {
                found = Found::Uart16650;
            } else {
                self.serial_out(LCR, 0);
                self.serial_out(FCR, 0x21);
                let status1 = self.serial_in(IIR) & 0xe0;
                self.serial_out(FCR, 0);
                self.serial_out(LCR, 0);
                if status1 == 0xe0 {
                    found = Found::Uart16550AFsl64;
                }
            }
            self.serial_out(efr, 0);
            return found;
        }
        self.serial_out(LCR, 0xbf);
        if self.serial_in(efr) == 0 && !self.broken_efr() {
            return Found::Efr;
        }
        // National Semiconductor SuperIO.
        self.serial_out(LCR, 0);
        let status1 = self.serial_in(MCR);
        self.serial_out(LCR, 0xe0);
        let status2 = self.serial_in(0x02);
        if (status2 ^ status1) & 0x10 == 0 {
            self.serial_out(LCR, 0);
            self.serial_out(MCR, status1 ^ 0x10);
            self.serial_out(LCR, 0xe0);
            let status2 = self.serial_in(0x02);
            self.serial_out(LCR, 0);
            self.serial_out(MCR, status1);
            if (status2 ^ status1) & 0x10 != 0 {
                return Found::Ns16550A;
            }
        }
        // TI 16750: bit 5 of IIR only with DLAB.
        self.serial_out(LCR, 0);
        self.serial_out(FCR, 0x21);
        let status1 = self.serial_in(IIR) & 0xe0;
        self.serial_out(FCR, 0x01);
        self.serial_out(LCR, 0x80);
        self.serial_out(FCR, 0x21);
        let status2 = self.serial_in(IIR) & 0xe0;
        self.serial_out(FCR, 0x01);
        self.serial_out(LCR, 0);
        if status1 == 0xc0 && status2 == 0xe0 {
            return Found::Uart16750;
        }
        let iersave = self.serial_in(IER);
        self.serial_out(IER, iersave & !0x40);
        if self.serial_in(IER) & 0x40 == 0 {
            self.serial_out(IER, iersave | 0x40);
            if self.serial_in(IER) & 0x40 != 0 {
                return Found::Xscale;
            }
        }
        self.serial_out(IER, iersave);
        if self.size_fifo() == 64 {
            return Found::U6;
        }
        Found::Uart16550A
    }

    fn autoconfig(&mut self) -> Found {
        let scratch = self.serial_in(IER);
        self.serial_out(IER, 0);
        let scratch2 = self.serial_in(IER) & 0x0f;
        self.serial_out(IER, 0x0f);
        let scratch3 = self.serial_in(IER) & 0x0f;
        self.serial_out(IER, scratch);
        if scratch2 != 0 || scratch3 != 0x0f {
            return Found::Nothing;
        }
        let save_mcr = self.serial_in(MCR);
        let save_lcr = self.serial_in(LCR);
        self.serial_out(MCR, 0x1a);
        let status1 = self.serial_in(MSR) & 0xf0;
        self.serial_out(MCR, save_mcr);
        if status1 != 0x90 {
            return Found::Nothing;
        }
        self.serial_out(LCR, 0xbf);
        self.serial_out(IIR, 0);
        self.serial_out(LCR, 0);
        self.serial_out(FCR, 0x01);
        let found = match self.serial_in(IIR) & 0xc0 {
            0x00 => self.autoconfig_8250(),
            0x80 => Found::Uart16550,
            0xc0 => self.autoconfig_16550a(),
            _ => Found::Unknown,
        };
        self.serial_out(LCR, save_lcr);
        if found != Found::Unknown {
            self.serial_out(MCR, save_mcr);
            self.serial_out(FCR, 0x01);
            self.serial_out(FCR, 0x07);
            self.serial_out(FCR, 0x00);
            self.serial_in(RBR);
            self.serial_out(IER, 0);
        }
        found
    }
}

#[test]
fn linux_finds_the_chip_that_the_parameters_say() {
    let wide: &List = &[("fifo-size", "64"), ("ports", "2")];
    for (list, variants, expected) in [
        (PLAIN_2, false, Found::Uart16550A),
        (PLAIN_2, true, Found::Uart16550A),
        (wide, false, Found::Uart16550A),
        (wide, true, Found::Uart16750),
        (FULL, false, Found::Uart16550A),
        (FULL, true, Found::Uart16750),
    ] {
        for base in [0, PORT_1] {
            let mut dut = dut(list);
            // Twice: the driver may be unbound and bound again.
            for _ in 0..2 {
                let dut = &mut dut;
                let mut port = Port {
                    dut,
                    base,
                    variants,
                };
                assert_eq!(port.autoconfig(), expected, "{list:?}, variants {variants}");
                let found = [IER, IIR, LCR, MCR, LSR].map(|at| port.serial_in(at));
                assert_eq!(found, [0, 0x01, 0, 0, 0x60], "left as after reset");
            }
            assert!(!dut.intx());
        }
    }
}

#[test]
fn linux_measures_the_fifo() {
    for (list, fcr, size) in [(PLAIN, 0x01, 16), (FULL, 0x01, 16), (FULL, 0x21, 64)] {
        let mut dut = dut(list);
        outb(&mut dut, LCR, 0x80);
        outb(&mut dut, FCR, fcr);
        outb(&mut dut, LCR, 0x00);
        let mut port = Port {
            dut: &mut dut,
            base: 0,
            variants: true,
        };
        assert_eq!(port.size_fifo(), size, "{list:?}, FCR {fcr:#x}");
    }
}
