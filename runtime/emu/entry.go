package emu

import (
	"fmt"
	"strings"

	"github.com/dnnc/dnnc/ir/processor"
)

// entries are the assembly of a Linux program by architecture: _start, and
// dnnc_io(0|1, p, n), which reads standard input or writes standard output; and
// dnnc_mark, between whose calls the emulator's plugin counts, and dnnc_sp, the
// caller's stack pointer.
var entries = map[string][]string{
	"x86_64": {
		".globl _start", "_start: xor %ebp, %ebp", "call dnnc_main", "mov %eax, %edi", "mov $60, %eax", "syscall",
		".globl dnnc_io", "dnnc_io: mov %edi, %eax", "mov %edx, %edx", "syscall", "ret",
		".globl dnnc_mark", "dnnc_mark: ret",
		".globl dnnc_sp", "dnnc_sp: lea 8(%rsp), %rax", "ret",
	},
	"arm": {
		".syntax unified", ".arm", ".globl _start", ".type _start, %function", "_start: bl dnnc_main", "mov r7, #1", "svc #0",
		".globl dnnc_io", ".type dnnc_io, %function", "dnnc_io: push {r7, lr}", "add r7, r0, #3", "svc #0", "pop {r7, pc}",
		".globl dnnc_mark", ".type dnnc_mark, %function", "dnnc_mark: bx lr",
		".globl dnnc_sp", ".type dnnc_sp, %function", "dnnc_sp: mov r0, sp", "bx lr",
	},
	"aarch64": {
		".globl _start", "_start: bl dnnc_main", "mov x8, #93", "svc #0",
		".globl dnnc_io", "dnnc_io: add w8, w0, #63", "mov w2, w2", "svc #0", "ret",
		".globl dnnc_mark", "dnnc_mark: ret",
		".globl dnnc_sp", "dnnc_sp: mov x0, sp", "ret",
	},
	"riscv32": riscv, "riscv64": riscv,
}

var riscv = []string{
	".globl _start", "_start: call dnnc_main", "li a7, 93", "ecall",
	".globl dnnc_io", "dnnc_io: addi a7, a0, 63", "ecall", "ret",
	".globl dnnc_mark", "dnnc_mark: ret",
	".globl dnnc_sp", "dnnc_sp: mv a0, sp", "ret",
}

// semihosted is the assembly of a Cortex-M program: the vectors, a reset that
// turns floating point and Helium on, opens the two files and runs dnnc_main, and
// dnnc_io through the debugger's calls. It is ARMv6-M's, which all boards run. A
// read answers with the bytes that it did not read. In an exception the program
// ends with an error, which QEMU's status says.
var semihosted = []string{
	".syntax unified", ".thumb",
	`.section .vectors, "a", %progbits`, ".word stack_top", ".word dnnc_reset", ".rept 14", ".word dnnc_fault", ".endr",
	".text", ".balign 4", ".globl dnnc_reset", ".type dnnc_reset, %function", ".thumb_func",
	"dnnc_reset: ldr r0, =0xE000ED88", "ldr r1, [r0]", "ldr r2, =0xF00000", "orrs r1, r2", "str r1, [r0]", "dsb", "isb",
	"movs r0, #1", "ldr r1, =dnnc_open_in", "bkpt 0xAB", "ldr r4, =dnnc_files", "str r0, [r4]",
	"movs r0, #1", "ldr r1, =dnnc_open_out", "bkpt 0xAB", "str r0, [r4, #4]",
	"bl dnnc_main", "ldr r1, =0x20026", "movs r0, #0x18", "bkpt 0xAB",
	".type dnnc_fault, %function", ".thumb_func", "dnnc_fault: ldr r1, =0x20023", "movs r0, #0x18", "bkpt 0xAB",
	".globl dnnc_io", ".type dnnc_io, %function", ".thumb_func",
	"dnnc_io: push {r2, r4, r5, lr}", "sub sp, #16", "ldr r4, =dnnc_files", "lsls r5, r0, #2", "ldr r4, [r4, r5]",
	"str r4, [sp]", "str r1, [sp, #4]", "str r2, [sp, #8]", "movs r4, #6", "subs r0, r4, r0", "mov r1, sp", "bkpt 0xAB",
	"ldr r2, [sp, #16]", "subs r0, r2, r0", "add sp, #16", "pop {r2, r4, r5, pc}",
	".globl dnnc_mark", ".type dnnc_mark, %function", ".thumb_func", "dnnc_mark: bx lr",
	".globl dnnc_sp", ".type dnnc_sp, %function", ".thumb_func", "dnnc_sp: mov r0, sp", "bx lr",
	".pool", ".balign 4",
	fmt.Sprintf(`dnnc_in_name: .asciz "%s"`, inputFile), fmt.Sprintf(`dnnc_out_name: .asciz "%s"`, outputFile), ".balign 4",
	fmt.Sprintf("dnnc_open_in: .word dnnc_in_name, 1, %d", len(inputFile)), fmt.Sprintf("dnnc_open_out: .word dnnc_out_name, 5, %d", len(outputFile)),
	".bss", ".balign 4", "dnnc_files: .space 8", ".text",
}

// The files of a board's program, in the folder that QEMU runs in.
const inputFile, outputFile = "input.bin", "output.bin"

// script lays a program out in a board's memory; constants that the flash has no
// room for come to lie in the board's large memory.
func script(b *processor.Board, constants int) string {
	var s strings.Builder
	region := func(name, mode string, m processor.Span) {
		fmt.Fprintf(&s, "  %s (%s) : ORIGIN = %#x, LENGTH = %d\n", name, mode, m.At, m.Bytes)
	}
	s.WriteString("MEMORY {\n")
	region("FLASH", "rx", b.Flash)
	region("RAM", "rwx", b.RAM)
	rodata := "FLASH"
	if b.Large.Bytes > 0 {
		region("LARGE", "rx", b.Large)
		if constants > int(b.Flash.Bytes)/2 {
			rodata = "LARGE"
		}
	}
	s.WriteString("}\nENTRY(dnnc_reset)\nSECTIONS {\n  .vectors : { KEEP(*(.vectors)) } > FLASH\n")
	s.WriteString("  .text : { *(.text .text.*) } > FLASH\n")
	fmt.Fprintf(&s, "  .rodata : { *(.rodata .rodata.*) } > %s\n", rodata)
	s.WriteString("  .bss (NOLOAD) : { *(.bss .bss.*) } > RAM\n  /DISCARD/ : { *(.ARM.exidx* .ARM.extab*) }\n")
	fmt.Fprintf(&s, "  stack_top = %#x;\n}\n", b.RAM.At+b.RAM.Bytes)
	return s.String()
}
