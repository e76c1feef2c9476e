// Package count counts the instructions that a function executes, without an emulator. It
// walks through the machine code, as LLVM's tools list it, and knows the integers on which
// control flow depends: counters, addresses, and what is saved of them on the stack. All
// else, activations and what is computed of them, is unknown: it decides no branch, as a
// network takes as many instructions for every input. Where a branch does depend on what is
// not known, there is no count.
package count

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir/processor"
)

// value is an integer, where it is known.
type value struct {
	n     uint64
	known bool
}

// unknown is any value.
var unknown = value{}

// known is a value that is.
func known(n uint64) value { return value{n, true} }

// one is f of a value.
func one(a value, f func(a uint64) uint64) value {
	if !a.known {
		return unknown
	}
	return known(f(a.n))
}

// both is f of two values.
func both(a, b value, f func(a, b uint64) uint64) value {
	if !a.known || !b.known {
		return unknown
	}
	return known(f(a.n, b.n))
}

// Where the walk puts what the caller gives: the arguments at distances, and below the stack
// what it was called with. No program reaches so far.
const (
	firstArgument = 0x6000_0000
	argumentBytes = 0x0100_0000
	stackTop      = 0xe000_0000
	stackBytes    = 1 << 20
	frameBytes    = 1 << 12 // of arguments above the top
	returnTo      = 0xffff_fff0
	giverAt       = 0xffff_ffe0 // the caller's function that gives rows, which returns 0 at once
	giverContext  = 0x5000_0000
)

// Limit is the number of instructions after which a walk gives up.
const Limit = 4 << 30

// machine is the state of a walk.
type machine struct {
	isa      isa
	code     []instruction
	places   []int32 // index of the instruction at an address after first; -1 of none
	first    uint64
	image    []*elf.Prog
	contents [][]byte

	regs  []value
	flags flags
	stack [stackBytes + frameBytes]byte
	there [stackBytes + frameBytes]bool // bytes of the stack that are known

	at       int // the next instruction
	executed int
	lanes    uint64 // of a loop of Helium that ends by itself, else 0
	doubtful bool   // whether the instruction is executed is not known
	ended    bool
	err      error
	word     int // of the pointers at the first argument; 0 of memory
}

// instruction is one of the listing.
type instruction struct {
	address, next uint64
	text          string
	run           func(m *machine) // nil: it changes nothing that is known
}

// isa is what an instruction set is to a walk.
type isa interface {
	// decode is the effect of an instruction.
	decode(i instruction, name string, args []string) func(m *machine)
	// registers are how many there are; calls has the numbers of those of a function's result and of
	// the address to return to; start has the arguments in their places.
	registers() int
	calls() (result, link int)
	start(m *machine, args []uint64)
	// low are the bits of an address of code that are no part of it.
	low() uint64
}

// Serves reports whether instructions of a target are counted: not of x86-64, whose names are not
// known, and not where the walk is not held equal to an emulator, as with vectors of Helium and RISC-V.
func Serves(t *processor.Target) bool {
	return t.Arch != "x86_64" && t.Arch != "riscv64" && !t.Has("mve") && !t.Has("rvv")
}

// Function counts the instructions of a call of a function of a linked program, whose
// listing is LLVM's, with pointers as its arguments: each at an address that is shift above a multiple of 4096.
// The first one is a function of the caller's and its context, where word is the size of a pointer and not 0.
func Function(ctx context.Context, program []byte, listing, name string, shifts []int, word int) (int, error) {
	m, entry, err := load(program, listing, name)
	if err != nil {
		return 0, err
	}
	args := make([]uint64, len(shifts))
	for i, s := range shifts {
		args[i] = firstArgument + uint64(i)*argumentBytes + uint64(s)
	}
	if m.word = word; word > 0 {
		args[0] = firstArgument
	}
	m.regs = make([]value, m.isa.registers())
	m.isa.start(m, args)
	m.jump(known(entry))
	return m.walk(ctx)
}

// Interface are the shifts of the arguments of a run function: inputs and outputs may lie at odd
// addresses; weights that are lent, if they are, and an arena lie at multiples of align.
func Interface(inputs, outputs int, lends bool, align int) (shifts []int) {
	for range inputs + outputs {
		shifts = append(shifts, 1)
	}
	if lends {
		shifts = append(shifts, align)
	}
	return append(shifts, align)
}

// load reads a program and its listing.
func load(program []byte, listing, name string) (m *machine, entry uint64, err error) {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, 0, err
	}
	m = &machine{}
	switch f.Machine {
	case elf.EM_ARM:
		m.isa = &arm{}
	case elf.EM_AARCH64:
		m.isa = &aarch64{}
	case elf.EM_RISCV:
		m.isa = &riscv{wide: f.Class == elf.ELFCLASS64}
	default:
		return nil, 0, fmt.Errorf("count: the instructions of %s are not known", f.Machine)
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
	if i < 0 {
		return nil, 0, fmt.Errorf("count: the program has no function %s", name)
	}
	entry = symbols[i].Value
	if a, ok := m.isa.(*arm); ok {
		a.thumb = entry&1 == 1
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_W != 0 {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil {
			return nil, 0, err
		}
		m.image, m.contents = append(m.image, p), append(m.contents, data)
	}
	return m, entry, m.read(listing)
}

// walk executes until the function returns.
func (m *machine) walk(ctx context.Context) (int, error) {
	for !m.ended && m.err == nil {
		if m.at >= len(m.code) {
			return 0, fmt.Errorf("count: a function runs beyond its end")
		}
		i := &m.code[m.at]
		m.at++
		m.executed++
		if i.run != nil {
			i.run(m)
		}
		if m.err != nil {
			return 0, fmt.Errorf("count: %#x: %s: %w", i.address, i.text, m.err)
		}
		if m.executed&(1<<24-1) == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if m.executed >= Limit {
				return 0, fmt.Errorf("count: more than %d instructions", Limit)
			}
		}
	}
	return m.executed, m.err
}

// fail ends a walk.
func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// jump goes on at an address.
func (m *machine) jump(to value) {
	switch {
	case m.doubtful || !to.known:
		m.fail("where it goes depends on data")
	case to.n&^1 == returnTo:
		m.ended = true
	case to.n&^1 == giverAt:
		result, link := m.isa.calls()
		m.regs[result] = known(0)
		m.jump(m.regs[link])
	default:
		at := to.n&^m.isa.low() - m.first
		if at >= uint64(len(m.places)) || m.places[at] < 0 {
			m.fail("nothing is at %#x", to.n)
			return
		}
		m.at = int(m.places[at])
	}
}

// branch jumps where a condition holds.
func (m *machine) branch(to uint64, holds, isKnown bool) {
	switch {
	case !isKnown:
		m.fail("the branch depends on data")
	case holds:
		m.jump(known(to))
	}
}

// perhaps has an instruction of which it is not known whether it is executed.
func (m *machine) perhaps(run func(m *machine)) {
	before := slices.Clone(m.regs)
	m.doubtful = true
	run(m)
	m.doubtful = false
	for i, v := range before {
		if v != m.regs[i] {
			m.regs[i] = unknown
		}
	}
	m.flags = flags{}
}

// load reads bytes of the stack or of constants.
func (m *machine) load(at value, bytes int, signed bool) value {
	if !at.known {
		return unknown
	}
	if m.word > 0 && bytes == m.word {
		switch at.n {
		case firstArgument:
			return known(giverAt)
		case firstArgument + uint64(m.word):
			return known(giverContext)
		}
	}
	var raw [8]byte
	if o := at.n - (stackTop - stackBytes); o < uint64(len(m.stack)-8) {
		for i := range bytes {
			if !m.there[o+uint64(i)] {
				return unknown
			}
		}
		copy(raw[:bytes], m.stack[o:])
	} else if !m.constant(at.n, raw[:bytes]) {
		return unknown
	}
	n := binary.LittleEndian.Uint64(raw[:])
	if signed {
		n = extend(n, bytes*8)
	}
	return known(n)
}

// constant reads constants of the program.
func (m *machine) constant(at uint64, to []byte) bool {
	for i, p := range m.image {
		if o := at - p.Vaddr; o < uint64(len(m.contents[i])) && o+uint64(len(to)) <= uint64(len(m.contents[i])) {
			copy(to, m.contents[i][o:])
			return true
		}
	}
	return false
}

// store writes bytes of the stack. The rest of the memory holds no counters and addresses,
// and no place on the stack is computed of data.
func (m *machine) store(at value, bytes int, v value) {
	o := at.n - (stackTop - stackBytes)
	if !at.known || o >= uint64(len(m.stack)-8) {
		return
	}
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], v.n)
	copy(m.stack[o:], raw[:bytes])
	for i := range bytes {
		m.there[o+uint64(i)] = v.known && !m.doubtful
	}
}

// extend is the number that the low bits are, signed.
func extend(n uint64, bits int) uint64 { return uint64(int64(n<<(64-bits)) >> (64 - bits)) }

// flags are those of Arm's processors.
type flags struct {
	n, z, c, v              bool
	knowsNZ, knowsC, knowsV bool
}

// holds is whether a condition holds, and whether that is known.
func (f *flags) holds(condition string) (holds, isKnown bool) {
	switch condition {
	case "", "al":
		return true, true
	case "eq":
		return f.z, f.knowsNZ
	case "ne":
		return !f.z, f.knowsNZ
	case "mi":
		return f.n, f.knowsNZ
	case "pl":
		return !f.n, f.knowsNZ
	case "hs", "cs":
		return f.c, f.knowsC
	case "lo", "cc":
		return !f.c, f.knowsC
	case "vs":
		return f.v, f.knowsV
	case "vc":
		return !f.v, f.knowsV
	case "hi":
		return f.c && !f.z, f.knowsC && f.knowsNZ
	case "ls":
		return !f.c || f.z, f.knowsC && f.knowsNZ
	case "ge":
		return f.n == f.v, f.knowsNZ && f.knowsV
	case "lt":
		return f.n != f.v, f.knowsNZ && f.knowsV
	case "gt":
		return !f.z && f.n == f.v, f.knowsNZ && f.knowsV
	case "le":
		return f.z || f.n != f.v, f.knowsNZ && f.knowsV
	}
	return false, false
}

// result sets the flags by the sign of a result alone.
func (f *flags) result(v value, bits int) {
	*f = flags{n: v.n>>(bits-1)&1 == 1, z: v.n == 0, knowsNZ: v.known}
}

// sum is a + b + carry in bits bits; it sets flags.
func (f *flags) sum(a, b value, carry uint64, bits int) value {
	if !a.known || !b.known {
		*f = flags{}
		return unknown
	}
	n, isOver := sum(a.n, b.n, carry, bits)
	sign := func(n uint64) bool { return n>>(bits-1)&1 == 1 }
	*f = flags{sign(n), n == 0, isOver, sign(a.n) == sign(b.n) && sign(n) != sign(a.n), true, true, true}
	return known(n)
}

// sum is a + b + carry in bits bits, and the carry out.
func sum(a, b, carry uint64, bits int) (n uint64, isOver bool) {
	mask := mask(bits)
	a, b = a&mask, b&mask
	n = (a + b + carry) & mask
	return n, n < a || carry == 1 && n == a
}

// mask has the low bits set.
func mask(bits int) uint64 { return 1<<(bits-1)<<1 - 1 }
