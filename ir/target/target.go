// Package target describes the processors that dnnc compiles for, as data:
// what LLVM must be told, what runs their programs here, and which kernels
// they have. Passes and code generation read it; nothing here decides.
package target

import (
	"github.com/dnnc/dnnc/ir/diag"
)

// Target is one processor family.
type Target struct {
	Name     string
	Doc      string
	Triple   string   // LLVM target triple of the object
	CPU      string   // -mcpu
	Features string   // -mattr, also the functions' target-features
	LLC      []string // further llc options, with their reason in the table
	Asm      []string // assembly directives of every object, with their reason
	PIC      bool     // position independent code: hosted targets

	// Emulator is the command that runs a program of this target on another
	// machine; empty where only the machine itself can.
	Emulator []string
	LinkMode string // ld.lld's -m

	// VectorLanes is the output channels of one step of the convolution
	// kernel: the tile that fits the registers.
	VectorLanes int
	// TilePixels is the pixels that share one unpacking of weights.
	TilePixels int
}

// The targets, in the order in which they are listed.
var table = []*Target{
	{
		Name: "armv7", Doc: "Cortex-A5 to A17 with NEON, Linux; soft- and hard-float programs",
		Triple: "armv7a-unknown-linux-gnueabi", CPU: "cortex-a7", Features: "+neon",
		// The scheduler before register allocation hoists all unpacking of
		// weights and spills: DESIGN section 5.
		LLC: []string{"-pre-RA-sched=source"}, PIC: true,
		// Tag_ABI_VFP_args 3: no float crosses the interface, so the object
		// links into soft-, softfp- and hard-float programs.
		Asm:      []string{".eabi_attribute 28, 3"},
		Emulator: []string{"qemu-arm", "-cpu", "cortex-a7"}, LinkMode: "armelf_linux_eabi",
		VectorLanes: 8, TilePixels: 2,
	},
	{
		Name: "x86_64", Doc: "64-bit PCs with SSE4.1, Linux",
		Triple: "x86_64-unknown-linux-gnu", CPU: "x86-64", Features: "+sse4.1", PIC: true,
		LinkMode:    "elf_x86_64",
		VectorLanes: 8, TilePixels: 2,
	},
}

// All lists the targets.
func All() []*Target { return table }

// Names lists the targets' names.
func Names() []string {
	names := make([]string, len(table))
	for i, t := range table {
		names[i] = t.Name
	}
	return names
}

// Find returns the target of a name, or a diagnostic with the nearest one.
func Find(name string) (*Target, error) {
	for _, t := range table {
		if t.Name == name {
			return t, nil
		}
	}
	d := diag.New(diag.Pos{}, diag.UnknownTarget, "no target %q", name).WithSuggestion(name, Names())
	if d.Help == "" {
		d.WithHelp("dnnc targets lists them: %v", Names())
	}
	return nil, d
}
