package count

import (
	"fmt"
	"strings"
)

// riscv is RV32 and RV64 with multiplication and vectors.
type riscv struct{ wide bool }

// vectorLength is the bytes of a vector register, the least that the targets have.
const vectorLength = 16

var riscvNames = func() map[string]int {
	names := map[string]int{}
	for i, n := range strings.Fields("zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6") {
		names[n], names[fmt.Sprintf("x%d", i)] = i, i
	}
	names["fp"] = 8
	return names
}()

func riscvRegister(text string) (int, bool) {
	r, ok := riscvNames[text]
	return r, ok
}

func (r *riscv) registers() int { return 32 }

func (r *riscv) calls() (result, link int) { return 10, 1 }

func (r *riscv) low() uint64 { return 1 }

func (r *riscv) bits() int {
	if r.wide {
		return 64
	}
	return 32
}

func (r *riscv) start(m *machine, args []uint64) {
	word := r.bits() / 8
	for i, v := range args {
		if i < 8 {
			m.regs[10+i] = known(v)
		} else {
			m.store(known(uint64(stackTop+word*(i-8))), word, known(v))
		}
	}
	m.regs[0], m.regs[1], m.regs[2] = known(0), known(returnTo), known(stackTop)
}

// set gives a register the low bits of a value; zero stays.
func (r *riscv) set(m *machine, to int, v value) {
	if to != 0 {
		v.n &= mask(r.bits())
		m.regs[to] = v
	}
}

// riscvSums are the operations of two registers, or of a register and a number: of as many bits
// as registers have, and those of RV64 of 32 bits.
var riscvSums = map[string]func(x, y uint64, bits int) uint64{
	"add": func(x, y uint64, _ int) uint64 { return x + y }, "sub": func(x, y uint64, _ int) uint64 { return x - y },
	"and": func(x, y uint64, _ int) uint64 { return x & y }, "or": func(x, y uint64, _ int) uint64 { return x | y },
	"xor": func(x, y uint64, _ int) uint64 { return x ^ y }, "mul": func(x, y uint64, _ int) uint64 { return x * y },
	"sll": func(x, y uint64, bits int) uint64 { return x << (y & uint64(bits-1)) },
	"srl": func(x, y uint64, bits int) uint64 { return x & mask(bits) >> (y & uint64(bits-1)) },
	"sra": func(x, y uint64, bits int) uint64 {
		return uint64(int64(extend(x, bits)) >> (y & uint64(bits-1)))
	},
	"slt": func(x, y uint64, bits int) uint64 {
		return truth(int64(extend(x, bits)) < int64(extend(y, bits)))
	},
	"sltu": func(x, y uint64, bits int) uint64 { return truth(x&mask(bits) < y&mask(bits)) },
	"divu": func(x, y uint64, bits int) uint64 {
		if y &= mask(bits); y == 0 {
			return mask(bits)
		}
		return x & mask(bits) / (y & mask(bits))
	},
}

func truth(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// riscvMoves are those of one register.
var riscvMoves = map[string]func(x uint64, bits int) uint64{
	"mv": func(x uint64, _ int) uint64 { return x }, "not": func(x uint64, _ int) uint64 { return ^x }, "neg": func(x uint64, _ int) uint64 { return -x },
	"seqz": func(x uint64, _ int) uint64 { return truth(x == 0) }, "snez": func(x uint64, _ int) uint64 { return truth(x != 0) },
	"sext.w": func(x uint64, _ int) uint64 { return extend(x, 32) }, "zext.b": func(x uint64, _ int) uint64 { return x & 0xff },
	"sltz": func(x uint64, bits int) uint64 { return x >> (bits - 1) & 1 },
	"sgtz": func(x uint64, bits int) uint64 { return truth(int64(extend(x, bits)) > 0) },
}

// riscvBranches are the conditions on two registers, or on one and zero where z follows the name.
var riscvBranches = map[string]func(x, y uint64, bits int) bool{
	"beq": func(x, y uint64, _ int) bool { return x == y }, "bne": func(x, y uint64, _ int) bool { return x != y },
	"blt":  func(x, y uint64, bits int) bool { return int64(extend(x, bits)) < int64(extend(y, bits)) },
	"bge":  func(x, y uint64, bits int) bool { return int64(extend(x, bits)) >= int64(extend(y, bits)) },
	"bgt":  func(x, y uint64, bits int) bool { return int64(extend(x, bits)) > int64(extend(y, bits)) },
	"ble":  func(x, y uint64, bits int) bool { return int64(extend(x, bits)) <= int64(extend(y, bits)) },
	"bltu": func(x, y uint64, _ int) bool { return x < y }, "bgeu": func(x, y uint64, _ int) bool { return x >= y },
}

func (r *riscv) decode(i instruction, name string, args []string) func(m *machine) {
	name = strings.TrimPrefix(name, "c.")
	if f := riscvMoves[name]; f != nil && len(args) == 2 {
		return r.compute(args[0], []string{args[1]}, func(v []uint64) uint64 { return f(v[0], r.bits()) })
	}
	if f := riscvSums[strings.TrimSuffix(name, "i")]; f != nil && len(args) == 3 {
		return r.compute(args[0], args[1:], func(v []uint64) uint64 { return f(v[0], v[1], r.bits()) })
	}
	if name == "sltiu" && len(args) == 3 {
		return r.compute(args[0], args[1:], func(v []uint64) uint64 { return riscvSums["sltu"](v[0], v[1], r.bits()) })
	}
	if f := riscvSums[strings.TrimSuffix(strings.TrimSuffix(name, "w"), "i")]; f != nil && len(args) == 3 && r.wide {
		return r.compute(args[0], args[1:], func(v []uint64) uint64 { return extend(f(v[0], v[1], 32), 32) })
	}
	if f := riscvBranches[name]; f != nil && len(args) == 3 {
		return r.branch(args, f)
	}
	if f := riscvBranches[strings.TrimSuffix(name, "z")]; f != nil && len(args) == 2 {
		return r.branch([]string{args[0], "zero", args[1]}, f)
	}
	switch name {
	case "nop":
		return nil
	case "li":
		return r.compute(args[0], args[1:2], func(v []uint64) uint64 { return v[0] })
	case "lui":
		return r.compute(args[0], args[1:2], func(v []uint64) uint64 { return extend(v[0]<<12, 32) })
	case "auipc":
		return r.compute(args[0], args[1:2], func(v []uint64) uint64 { return i.address + extend(v[0]<<12, 32) })
	case "lw", "lh", "lb", "lwu", "lhu", "lbu", "ld":
		bytes := map[byte]int{'w': 4, 'h': 2, 'b': 1, 'd': 8}[name[1]]
		to, ok := riscvRegister(args[0])
		at := r.place(args[1])
		if !ok || at == nil {
			break
		}
		return func(m *machine) { r.set(m, to, m.load(at(m), bytes, !strings.HasSuffix(name, "u"))) }
	case "sw", "sh", "sb", "sd":
		bytes := map[byte]int{'w': 4, 'h': 2, 'b': 1, 'd': 8}[name[1]]
		from, ok := riscvRegister(args[0])
		at := r.place(args[1])
		if !ok || at == nil {
			return nil
		}
		return func(m *machine) { m.store(at(m), bytes, m.regs[from]) }
	case "j":
		if to, ok := target(args); ok {
			return func(m *machine) { m.jump(known(to)) }
		}
	case "jal":
		if to, ok := target(args); ok {
			link := 1
			if len(args) == 2 {
				link, _ = riscvRegister(args[0])
			}
			return func(m *machine) {
				r.set(m, link, known(i.next))
				m.jump(known(to))
			}
		}
	case "ret":
		return func(m *machine) { m.jump(m.regs[1]) }
	case "jr", "jalr":
		link := truth(name == "jalr")
		if len(args) == 2 {
			l, _ := riscvRegister(args[0])
			link = uint64(l)
		}
		if at := r.place(args[len(args)-1]); at != nil {
			return func(m *machine) {
				to := at(m)
				r.set(m, int(link), known(i.next))
				m.jump(to)
			}
		}
	case "vsetvli", "vsetivli":
		return r.vectors(args)
	}
	// All others change what they name first.
	if len(args) > 0 {
		if to, ok := riscvRegister(args[0]); ok {
			return func(m *machine) { r.set(m, to, unknown) }
		}
	}
	if strings.HasPrefix(name, "b") || strings.HasPrefix(name, "j") {
		return func(m *machine) { m.fail("this jump is not known") }
	}
	return nil
}

// compute sets a register by others and by numbers.
func (r *riscv) compute(result string, args []string, f func(v []uint64) uint64) func(m *machine) {
	to, ok := riscvRegister(result)
	if !ok {
		return nil
	}
	registers, numbers := make([]int, len(args)), make([]uint64, len(args))
	for k, a := range args {
		if n, isNumber := number(a); isNumber {
			registers[k], numbers[k] = -1, uint64(n)
		} else if registers[k], ok = riscvRegister(a); !ok {
			return func(m *machine) { r.set(m, to, unknown) }
		}
	}
	values := make([]uint64, len(args))
	return func(m *machine) {
		for k, from := range registers {
			values[k] = numbers[k]
			if from >= 0 {
				v := m.regs[from]
				if !v.known {
					r.set(m, to, unknown)
					return
				}
				values[k] = v.n
			}
		}
		r.set(m, to, known(f(values)))
	}
}

func (r *riscv) branch(args []string, f func(x, y uint64, bits int) bool) func(m *machine) {
	a, isA := riscvRegister(args[0])
	b, isB := riscvRegister(args[1])
	to, ok := target(args)
	if !isA || !isB || !ok {
		return func(m *machine) { m.fail("this branch is not known") }
	}
	return func(m *machine) {
		x, y := m.regs[a], m.regs[b]
		m.branch(to, f(x.n, y.n, r.bits()), x.known && y.known)
	}
}

// place is an address as 0x1c(sp) or (a0) or a register.
func (r *riscv) place(text string) func(m *machine) value {
	by, rest, isIndirect := strings.Cut(text, "(")
	base, ok := riscvRegister(strings.TrimSuffix(rest, ")"))
	n, isNumber := number(by)
	switch {
	case !isIndirect:
		base, ok = riscvRegister(text)
		n = 0
	case by != "" && !isNumber:
		return nil
	}
	if !ok {
		return nil
	}
	return func(m *machine) value {
		return one(m.regs[base], func(x uint64) uint64 { return (x + uint64(n)) & mask(r.bits()) })
	}
}

// vectors is the number of lanes that a loop of vectors takes: as many as it asks for, at most those of
// the registers.
func (r *riscv) vectors(args []string) func(m *machine) {
	to, ok := riscvRegister(args[0])
	if !ok || len(args) < 4 {
		return func(m *machine) { m.fail("its lanes are not known") }
	}
	var bits, group, fraction int64 = 8, 1, 1
	for _, a := range args[2:] {
		n, isNumber := number(strings.TrimLeft(a, "emf"))
		switch {
		case !isNumber:
		case a[0] == 'e':
			bits = n
		case strings.HasPrefix(a, "mf"):
			fraction = n
		case a[0] == 'm':
			group = n
		}
	}
	most := uint64(8 * vectorLength * group / bits / fraction)
	n, isNumber := number(args[1])
	from, _ := riscvRegister(args[1])
	return func(m *machine) {
		v := known(uint64(n))
		if !isNumber {
			v = m.regs[from]
			if from == 0 && to == 0 { // the lanes stay
				return
			}
			if from == 0 {
				v = known(most)
			}
		}
		r.set(m, to, one(v, func(x uint64) uint64 { return min(x, most) }))
	}
}
