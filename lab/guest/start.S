/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PVH entry: 32-bit protected mode, flat segments, paging and interrupts off, EBX = hvm_start_info
 * (Xen's docs/misc/pvh.pandoc, which QEMU follows). The segments' table is the firmware's, so load our own.
 */
    .section .note.pvh, "a", @note
    .align 4
    .long 4                     /* bytes of name */
    .long 4                     /* bytes of description */
    .long 18                    /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start

    .section .text.start, "ax"
    .globl start
start:
    cld
    lgdt gdt_pointer
    ljmp $8, $1f
1:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl $stack_top, %esp
    movl %cr0, %eax
    andl $~0xc, %eax            /* EM and TS off: the FPU and MMX can be used */
    movl %eax, %cr0
    fninit
    pushl %ebx
    call guest_main
2:  cli
    hlt
    jmp 2b

    .section .data
    .align 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 8: code, base 0, 4 GiB */
    .quad 0x00cf93000000ffff    /* 16: data, base 0, 4 GiB */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

    .section .bss
    .align 16
    .skip 8192
stack_top:

    .section .note.GNU-stack, "", @progbits
