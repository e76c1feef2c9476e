package processor

// Tag_ABI_VFP_args 3: no float crosses the interface, so the object links into
// soft-, softfp- and hard-float programs.
var anyFloatABI = []string{".eabi_attribute 28, 3"}

// mps2 is the memory of Arm's FPGA boards, with 4 MiB of each kind.
var mps2 = &Board{Flash: Span{0, 4 << 20}, RAM: Span{0x20000000, 4 << 20}}

// board is a runner of a Cortex-M machine.
func board(machine, cpu string, b *Board, covers ...string) Runner {
	return Runner{Command: []string{"qemu-system-arm", "-M", machine}, Board: b, CPU: cpu, Covers: covers}
}

// user is a runner of Linux programs.
func user(emulator, cpu string, covers ...string) Runner {
	return Runner{Command: []string{emulator, "-cpu", cpu}, Covers: covers}
}

// noFPU: integers only, whether or not the processor has floats. The registers
// of an FPU that a program has not switched on trap.
var noFPU = []string{"fpregs"}

// inOrder: the machine scheduler hoists loads until sums are spilled; kernels are
// written in the order in which they should run.
var inOrder = []string{"-enable-misched=false"}

// Instructions whose time depends on the operands, by the technical reference manuals: on a
// Cortex-M3 products of 64 bits end early, and divisions on every Cortex-M that has them. A
// Cortex-M0 multiplies in as many cycles for all operands, 1 or 32 by its make.
var (
	division     = []string{"sdiv", "udiv"}
	divisionOfM3 = []string{"sdiv", "udiv", "smull", "umull", "smlal", "umlal"}
)

// The families, in the order in which they are listed.
var table = []*Target{
	{
		Name: "armv6m", Doc: "Cortex-M0, M0+, M1", Arch: "thumb",
		Triple: "thumbv6m-none-unknown-eabi", CPU: "cortex-m0", LLC: inOrder, Asm: anyFloatABI,
		CPUs: []CPU{{Name: "cortex-m0plus"}, {Name: "cortex-m1"}},
		// What the microbit has no room for runs on a Cortex-M3; a test holds its
		// instructions to be ARMv6-M's.
		Runners: []Runner{
			board("microbit", "", &Board{Flash: Span{0, 256 << 10}, RAM: Span{0x20000000, 16 << 10}}),
			board("mps2-an385", "", mps2),
		},
		LinkMode: "armelf", NoSelect: true,
	},
	{
		Name: "armv7m", Doc: "Cortex-M3", Arch: "thumb",
		Triple: "thumbv7m-none-unknown-eabi", CPU: "cortex-m3", LLC: inOrder, Asm: anyFloatABI,
		Runners: []Runner{board("mps2-an385", "", mps2)}, MCA: "cortex-m3",
		LinkMode: "armelf", Variable: divisionOfM3,
	},
	{
		Name: "armv7em", Doc: "Cortex-M4, M7: 16-bit multiplies by two", Arch: "thumb",
		Triple: "thumbv7em-none-unknown-eabi", CPU: "cortex-m4", Features: []string{"dsp"}, Without: noFPU, LLC: inOrder, Asm: anyFloatABI,
		CPUs:    []CPU{{Name: "cortex-m7", MCA: "cortex-m7"}},
		Runners: []Runner{board("mps2-an500", "cortex-m7", mps2, "dsp"), board("mps2-an386", "", mps2, "dsp")}, MCA: "cortex-m4",
		LinkMode: "armelf", Variable: division,
	},
	{
		Name: "armv8m", Doc: "Cortex-M33, M35P: 16-bit multiplies by two", Arch: "thumb",
		Triple: "thumbv8m.main-none-unknown-eabi", CPU: "cortex-m33", Features: []string{"dsp"}, Without: noFPU, LLC: inOrder, Asm: anyFloatABI,
		CPUs:    []CPU{{Name: "cortex-m35p", MCA: "cortex-m33"}},
		Known:   []Feature{{Name: "dsp", Doc: "16-bit multiplies by two"}},
		Runners: []Runner{board("mps2-an505", "", &Board{Flash: Span{0x10000000, 4 << 20}, RAM: Span{0x38000000, 4 << 20}}, "dsp")}, MCA: "cortex-m33",
		LinkMode: "armelf", Variable: division,
	},
	{
		Name: "armv8.1m", Doc: "Cortex-M55, M85: Helium", Arch: "thumb",
		// LLVM 19 makes an endless loop of a loop of gathers that runs three times.
		// TestGathersEnd has it. Kernels name their own gathers.
		LLC: []string{"-enable-arm-maskedgatscat=false"}, Opt: []string{"-enable-arm-maskedgatscat=false"},
		Triple: "thumbv8.1m.main-none-unknown-eabi", CPU: "cortex-m55", Features: []string{"dsp", "mve"}, Without: []string{"mve.fp", "fp-armv8d16"}, Asm: anyFloatABI,
		CPUs:  []CPU{{Name: "cortex-m52", MCA: "cortex-m55"}, {Name: "cortex-m85", MCA: "cortex-m85"}},
		Known: []Feature{{Name: "dsp", Doc: "16-bit multiplies by two"}, {Name: "mve", Doc: "Helium, integers", Includes: []string{"dsp"}}},
		Runners: []Runner{board("mps3-an547", "", &Board{
			Flash: Span{0, 512 << 10}, RAM: Span{0x20000000, 512 << 10}, Large: Span{0x01000000, 2 << 20},
		}, "dsp", "mve")}, MCA: "cortex-m55",
		LinkMode: "armelf", Variable: division,
	},
	{
		Name: "armv7", Doc: "Cortex-A5 to A17 with NEON, Linux; soft- and hard-float programs", Arch: "arm",
		Triple: "armv7a-unknown-linux-gnueabi", CPU: "cortex-a7", Features: []string{"neon"},
		// A Cortex-A5, A8 or A9 does not divide.
		Without: []string{"hwdiv", "hwdiv-arm"},
		// The scheduler before register allocation hoists all unpacking of weights to
		// the start of a loop, so that registers spill: a convolution of 4-bit codes
		// took twice the instructions.
		LLC: []string{"-pre-RA-sched=source"}, PIC: true, Asm: anyFloatABI,
		CPUs:     []CPU{{Name: "cortex-a5"}, {Name: "cortex-a8"}, {Name: "cortex-a9", MCA: "cortex-a9"}, {Name: "cortex-a15", MCA: "cortex-a15"}, {Name: "cortex-a17"}},
		Runners:  []Runner{user("qemu-arm", "cortex-a9", "neon")}, // no MCA: LLVM has no model of a Cortex-A7 that llvm-mca reads
		LinkMode: "armelf_linux_eabi",
	},
	{
		Name: "armv7-nofpu", Doc: "Cortex-A without NEON, Linux; 16-bit multiplies by two", Arch: "arm",
		Triple: "armv7a-unknown-linux-gnueabi", CPU: "cortex-a5", Features: []string{"dsp"},
		Without: []string{"fpregs", "neon"},
		LLC:     []string{"-pre-RA-sched=source"}, PIC: true, Asm: anyFloatABI,
		CPUs:     []CPU{{Name: "cortex-a9", MCA: "cortex-a9"}},
		Runners:  []Runner{user("qemu-arm", "cortex-a9", "dsp")},
		LinkMode: "armelf_linux_eabi",
	},
	{
		Name: "aarch64", Doc: "64-bit Arm, Linux; +dotprod from Cortex-A55 and A75 on, +i8mm from A510 and A710 on", Arch: "aarch64",
		Triple: "aarch64-unknown-linux-gnu", CPU: "cortex-a53", Features: []string{"neon"}, PIC: true,
		CPUs: []CPU{
			{Name: "cortex-a55", Features: []string{"dotprod"}, MCA: "cortex-a55"}, {Name: "cortex-a57", MCA: "cortex-a57"}, {Name: "cortex-a72", MCA: "cortex-a72"},
			{Name: "cortex-a76", Features: []string{"dotprod"}, MCA: "cortex-a76"}, {Name: "neoverse-n1", Features: []string{"dotprod"}, MCA: "neoverse-n1"},
		},
		Known: []Feature{{Name: "dotprod", Doc: "SDOT, UDOT"}, {Name: "i8mm", Doc: "USDOT, SMMLA", Includes: []string{"dotprod"}, MCA: "neoverse-n2"}},
		Runners: []Runner{
			user("qemu-aarch64", "cortex-a53", "neon"), user("qemu-aarch64", "cortex-a76", "neon", "dotprod"), user("qemu-aarch64", "max", "neon", "dotprod", "i8mm"),
		}, MCA: "cortex-a53",
		LinkMode: "aarch64linux",
	},
	{
		Name: "riscv32", Doc: "32-bit RISC-V with multiplication and compressed instructions (imc); +a for imac, +zve32x for vectors of 128 bits or more", Arch: "riscv32",
		Triple: "riscv32-unknown-none-elf", CPU: "generic-rv32", ABI: "ilp32", Features: []string{"c", "m"},
		// LLVM 19 makes vectors of unknown length of a loop's numbers of 64 bits, and fails: +zve32x
		// has none. Kernels name their own vectors.
		Opt:  []string{"-scalable-vectorization=off"},
		CPUs: []CPU{{Name: "sifive-e21", Features: []string{"a"}}, {Name: "sifive-e31", Features: []string{"a"}}},
		Known: []Feature{{Name: "m", Doc: "multiplication"}, {Name: "a", Doc: "atomics; the object says so, and uses none"}, {Name: "c", Doc: "compressed instructions"},
			{Name: "zve32x", Doc: "vectors of integers of up to 32 bits, in registers of 128 bits or more", Length: "zvl128b"}},
		Runners: []Runner{
			user("qemu-riscv32", "lowrisc-ibex", "c", "m"), user("qemu-riscv32", "sifive-e31", "a", "c", "m"),
			user("qemu-riscv32", "rv32,v=true,vext_spec=v1.0,vlen=128,elen=32", "a", "c", "m", "zve32x"),
		},
		LinkMode: "elf32lriscv", NoSelect: true,
	},
	{
		Name: "riscv64", Doc: "64-bit RISC-V with gc, Linux; +v for vectors of 128 bits or more", Arch: "riscv64",
		Triple: "riscv64-unknown-linux-gnu", CPU: "generic-rv64", ABI: "lp64d", Features: []string{"a", "c", "d", "f", "m"}, PIC: true,
		CPUs:     []CPU{{Name: "sifive-u54", MCA: "sifive-u54"}, {Name: "sifive-u74", MCA: "sifive-u74"}},
		Known:    []Feature{{Name: "v", Doc: "vectors, in registers of 128 bits or more"}},
		Runners:  []Runner{user("qemu-riscv64", "sifive-u54", "a", "c", "d", "f", "m"), user("qemu-riscv64", "rv64,v=true,vext_spec=v1.0,vlen=128", "a", "c", "d", "f", "m", "v")},
		LinkMode: "elf64lriscv", NoSelect: true,
	},
	{
		Name: "x86_64", Doc: "64-bit PCs with SSE4.1, Linux; +avx2, +avxvnni, +avx512vnni", Arch: "x86_64",
		Triple: "x86_64-unknown-linux-gnu", CPU: "x86-64", Features: []string{"sse4.1"}, PIC: true,
		// A conditional move becomes a branch where it looks predictable: the time
		// would depend on the input. Arguments that are pushed are in no frame's size.
		LLC: []string{"-x86-cmov-converter=0", "-no-x86-call-frame-opt"},
		CPUs: []CPU{
			{Name: "haswell", Features: []string{"avx2"}, MCA: "haswell"}, {Name: "skylake", Features: []string{"avx2"}, MCA: "skylake"},
			{Name: "znver2", Features: []string{"avx2"}, MCA: "znver2"}, {Name: "znver4", Features: []string{"avx512vnni"}, MCA: "znver4"},
			{Name: "icelake-server", Features: []string{"avx512vnni"}, MCA: "icelake-server"}, {Name: "alderlake", Features: []string{"avxvnni"}, MCA: "alderlake"},
		},
		Known: []Feature{
			{Name: "avx2", Doc: "256-bit integers"}, {Name: "avxvnni", Doc: "VPDPBUSD", Includes: []string{"avx2"}},
			{Name: "avx512vl", Doc: "512-bit instructions on 256 bits", Includes: []string{"avx2"}}, {Name: "avx512vnni", Doc: "VPDPBUSD", Includes: []string{"avx512vl"}},
		},
		// The emulator knows no VNNI: a machine that has it is needed.
		Runners: []Runner{user("qemu-x86_64", "Penryn", "sse4.1"), user("qemu-x86_64", "max", "sse4.1", "avx2")}, MCA: "x86-64",
		LinkMode: "elf_x86_64",
	},
}

// refinements that are tested and listed beside their family.
var refinements = map[string][]string{
	"armv7em": {":cortex-m7"},
	"aarch64": {"+dotprod", "+i8mm"},
	"riscv32": {"+a", "+zve32x"},
	"riscv64": {"+v"},
	"x86_64":  {"+avx2", "+avxvnni"},
}
