// Package processor describes the processors that dnnc compiles for, as data: the settings for
// LLVM, the emulators that run their programs, and their instructions. The package decides
// nothing about kernels; ir/kernel does.
package processor

import (
	"maps"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
)

// Target is a processor family of the table, or a family refined by a processor and by
// features.
type Target struct {
	Name   string // the family and its refinement: armv7em:cortex-m7, aarch64+dotprod
	Doc    string
	Arch   string // thumb, arm, aarch64, riscv32, riscv64, x86_64
	Triple string // LLVM target triple of the object
	CPU    string // -mcpu
	ABI    string // -target-abi, if the triple does not imply it
	// Features are the features that kernels may use, by LLVM's names (-mattr).
	Features []string
	// Without are features that LLVM's processor has, and that objects of this target must
	// not use.
	Without []string
	LLC     []string // further options of llc; the table has the reasons
	Opt     []string // of opt
	Asm     []string // assembly directives of every object; the table has the reasons
	PIC     bool     // position-independent code, on hosted targets

	CPUs    []CPU     // further processors, for -mcpu
	Runners []Runner  // emulators of this target; the first one that fits is used
	Known   []Feature // features that -mattr may add or remove
	MCA     string    // the processor model of llvm-mca; empty if LLVM has none

	LinkMode string // the option -m of ld.lld

	// NoSelect: the processor has no instruction that selects between two registers, so LLVM
	// would write a branch for a minimum.
	NoSelect bool
	// Variable are instructions whose time depends on their operands, on a Cortex-M.
	Variable []string
}

// CPU is a processor of a family, with the features that it has in addition.
type CPU struct {
	Name     string
	Features []string
	MCA      string
}

// Feature is a feature that refines a target, with the features that it includes.
type Feature struct {
	Name, Doc string
	Includes  []string
	Length    string // of vector registers, at least: LLVM's feature, where the feature itself promises less
	MCA       string // the model of a processor that has it, for one whose own model lacks it
}

// Runner is an emulator that runs a target's programs on another machine.
type Runner struct {
	Command []string // the emulator; the program's path follows
	Covers  []string // features that it emulates
	Board   *Board   // a machine without an operating system; nil for Linux programs
	CPU     string   // the only processor that it emulates; empty for any of the family
}

// Span is a range of addresses.
type Span struct{ At, Bytes uint32 }

// Board is the memory of an emulated machine.
type Board struct {
	Flash, RAM Span
	// Large is further memory for constants that do not fit Flash; may be empty.
	Large Span
}

// Has reports whether kernels may use a feature, by LLVM's name, or "simd": vectors of sixteen
// bytes on an application processor (NEON, SSE4.1), or "rvv": RISC-V's vectors of 128 bits or more.
func (t *Target) Has(feature string) bool {
	return slices.Contains(t.Features, feature) || feature == "simd" && (t.Has("neon") || t.Has("sse4.1")) ||
		feature == "rvv" && (t.Has("v") || t.Has("zve32x"))
}

// Vectors reports whether the processor has vectors of sixteen bytes.
func (t *Target) Vectors() bool { return t.Has("simd") || t.Has("mve") }

// HasThreads reports whether programs of the target run threads: under an operating system.
func (t *Target) HasThreads() bool { return strings.Contains(t.Triple, "-linux-") }

// Divides reports whether the processor has an instruction that divides. Without one a division is
// a loop over bits.
func (t *Target) Divides() bool {
	switch t.ISA() {
	case "arm", "thumb1":
		return false
	case "riscv32", "riscv64":
		return t.Has("m")
	}
	return true
}

// PointerBytes is the size of an address.
func (t *Target) PointerBytes() int {
	switch t.Arch {
	case "aarch64", "riscv64", "x86_64":
		return 8
	}
	return 4
}

// ISA is the instruction set for which kernels are written: Arch, or thumb1 for Thumb with few
// registers and no wide multiplication (ARMv6-M).
func (t *Target) ISA() string {
	if strings.HasPrefix(t.Triple, "thumbv6m") {
		return "thumb1"
	}
	return t.Arch
}

// Attributes returns the features in LLVM's form: "+dsp,+mve,-fpregs".
func (t *Target) Attributes() string {
	var list []string
	for _, f := range t.Features {
		list = append(list, "+"+f)
	}
	for _, k := range t.Known {
		if k.Length != "" && t.Has(k.Name) {
			list = append(list, "+"+k.Length)
		}
	}
	for _, f := range t.Without {
		list = append(list, "-"+f)
	}
	return strings.Join(list, ",")
}

// Runner returns the first runner that has every feature of the target, or nil. A program with
// flash bytes of constants and code and ram bytes of memory must fit it; 0 is not known.
func (t *Target) Runner(flash, ram int) *Runner {
	for i := range t.Runners {
		r := &t.Runners[i]
		if r.CPU != "" && r.CPU != t.CPU {
			continue
		}
		if b := r.Board; b != nil && (flash > int(b.Flash.Bytes)+int(b.Large.Bytes) || ram > int(b.RAM.Bytes)) {
			continue
		}
		if !slices.ContainsFunc(t.Features, func(f string) bool { return !slices.Contains(r.Covers, f) }) {
			return r
		}
	}
	return nil
}

// All lists the families, each with the refinements that are tested.
func All() []*Target {
	var list []*Target
	for _, t := range table {
		list = append(list, t)
		for _, r := range refinements[t.Name] {
			refined, err := Find(t.Name + r)
			if err != nil {
				panic(err) // a fault of the table, which its test finds
			}
			list = append(list, refined)
		}
	}
	return list
}

// Names lists the names of All.
func Names() []string {
	var names []string
	for _, t := range All() {
		names = append(names, t.Name)
	}
	return names
}

// Find returns the target of a name: a family, then a processor after ":", then features with
// their sign, for example armv7em:cortex-m7 or aarch64+dotprod. An unknown name is a
// diagnostic with the nearest known name.
func Find(name string) (*Target, error) {
	t, rest := family(name)
	if t == nil {
		var names []string
		for _, t := range table {
			names = append(names, t.Name)
		}
		end := strings.IndexAny(name, ":+")
		if end < 0 {
			end = len(name)
		}
		d := diag.New(diag.Pos{}, diag.UnknownTarget, "no target %q", name).WithSuggestion(name[:end], names)
		if d.Help == "" {
			if f := familyOf(name[:end]); f != "" {
				d.WithHelp("%s is a processor of %s: -target %s -mcpu %s", name[:end], f, f, name[:end])
			} else {
				d.WithHelp("dnnc targets lists them: %s", strings.Join(names, " "))
			}
		}
		return nil, d
	}
	cpu, features := "", rest
	if after, ok := strings.CutPrefix(rest, ":"); ok {
		cpu, features = after, ""
		// Processors' names have hyphens: a feature begins at a plus, or at the
		// hyphen after the longest processor's name.
		if i := strings.IndexByte(after, '+'); i >= 0 {
			cpu, features = after[:i], after[i:]
		}
		for _, c := range t.cpuNames() {
			if strings.HasPrefix(cpu, c+"-") {
				cpu, features = c, after[len(c):]
			}
		}
	}
	return t.Refine(cpu, features)
}

// family is the target in the table whose name begins name, the longest one.
func family(name string) (t *Target, rest string) {
	for _, x := range table {
		after, ok := strings.CutPrefix(name, x.Name)
		if ok && (after == "" || strings.ContainsRune(":+-", rune(after[0]))) && (t == nil || len(x.Name) > len(t.Name)) {
			t, rest = x, after
		}
	}
	return t, rest
}

// familyOf is the family of a processor, or "".
func familyOf(cpu string) string {
	for _, t := range table {
		if slices.Contains(t.cpuNames(), cpu) {
			return t.Name
		}
	}
	return ""
}

func (t *Target) cpuNames() []string {
	names := []string{t.CPU}
	for _, c := range t.CPUs {
		names = append(names, c.Name)
	}
	return names
}

// Refine returns the target for one processor (empty for the family's own), with features
// added or removed: "+dotprod,-dsp" or "dotprod". A comma before a sign may be omitted. The
// name of the result has both.
func (t *Target) Refine(cpu, features string) (*Target, error) {
	r := *t
	have := map[string]bool{}
	for _, f := range t.Features {
		have[f] = true
	}
	if cpu != "" && cpu != t.CPU {
		i := slices.IndexFunc(t.CPUs, func(c CPU) bool { return c.Name == cpu })
		if i < 0 {
			d := diag.New(diag.Pos{}, diag.UnknownTarget, "no processor %q among those of %s", cpu, t.Name).WithSuggestion(cpu, t.cpuNames())
			if d.Help == "" {
				if f := familyOf(cpu); f != "" {
					d.WithHelp("it is a processor of -target %s", f)
				} else {
					d.WithHelp("it has %s", strings.Join(t.cpuNames(), " "))
				}
			}
			return nil, d
		}
		c := t.CPUs[i]
		r.CPU, r.MCA, r.Name = c.Name, c.MCA, r.Name+":"+c.Name
		for _, f := range c.Features {
			r.set(have, f, true)
		}
	}
	before := maps.Clone(have)
	for _, word := range words(features) {
		f := strings.TrimLeft(word, "+-")
		if !slices.ContainsFunc(t.Known, func(k Feature) bool { return k.Name == f }) {
			var known []string
			for _, k := range t.Known {
				known = append(known, k.Name)
			}
			d := diag.New(diag.Pos{}, diag.UnknownTarget, "no feature %q of %s that changes what dnnc does", f, t.Name).WithSuggestion(f, known)
			switch {
			case len(known) > 0 && d.Help == "":
				d.WithHelp("it knows %s", strings.Join(known, " "))
			case len(known) == 0:
				d.WithHelp("it has none to add or take away: dnnc targets lists families with more and with fewer instructions")
			}
			return nil, d
		}
		r.set(have, f, word[0] != '-')
	}
	for _, k := range t.Known {
		if k.MCA != "" && have[k.Name] && !before[k.Name] {
			r.MCA = k.MCA
		}
	}
	for _, sign := range []string{"+", "-"} {
		for _, k := range t.Known {
			changed := have[k.Name] != before[k.Name] && have[k.Name] == (sign == "+")
			if changed && (sign == "-" || !t.included(have, k.Name)) {
				r.Name += sign + k.Name
			}
		}
	}
	r.Features = slices.Sorted(maps.Keys(have))
	r.Features = slices.DeleteFunc(r.Features, func(f string) bool { return !have[f] })
	r.Without = nil
	for _, f := range t.Without {
		if !have[f] {
			r.Without = append(r.Without, f)
		}
	}
	for _, k := range t.Known {
		if before[k.Name] && !have[k.Name] && !slices.Contains(r.Without, k.Name) {
			r.Without = append(r.Without, k.Name)
		}
	}
	return &r, nil
}

// set turns a feature on with all that it includes, or off with all that
// include it.
func (t *Target) set(have map[string]bool, feature string, on bool) {
	have[feature] = on
	for _, k := range t.Known {
		switch {
		case on && k.Name == feature:
			for _, f := range k.Includes {
				t.set(have, f, true)
			}
		case !on && slices.Contains(k.Includes, feature) && have[k.Name]:
			t.set(have, k.Name, false)
		}
	}
}

// included reports whether a feature comes with another one.
func (t *Target) included(have map[string]bool, feature string) bool {
	return slices.ContainsFunc(t.Known, func(k Feature) bool { return have[k.Name] && slices.Contains(k.Includes, feature) })
}

// words splits "+a,-b+c d" into features with their signs.
func words(s string) []string {
	var list []string
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		start := 0
		for i := 1; i < len(w); i++ {
			// A hyphen within a name is part of it: no known one has any.
			if w[i] == '+' || w[i] == '-' {
				list, start = append(list, w[start:i]), i
			}
		}
		list = append(list, w[start:])
	}
	return list
}
