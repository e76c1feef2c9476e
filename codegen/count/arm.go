package count

import (
	"math/bits"
	"slices"
	"strings"
)

// arm is A32 and Thumb, in the syntax that they share.
type arm struct{ thumb bool }

const (
	armSP = 13
	armLR = 14
	armPC = 15
)

func (a *arm) registers() int { return 16 }

func (a *arm) calls() (result, link int) { return 0, armLR }

func (a *arm) low() uint64 { return 1 }

func (a *arm) start(m *machine, args []uint64) {
	for i, v := range args {
		if i < 4 {
			m.regs[i] = known(v)
		} else {
			m.store(known(uint64(stackTop+4*(i-4))), 4, known(v))
		}
	}
	m.regs[armSP], m.regs[armLR] = known(stackTop), known(returnTo)
}

var armNames = map[string]int{"sp": armSP, "lr": armLR, "pc": armPC, "sb": 9, "sl": 10, "fp": 11, "ip": 12}

// armRegister is a core register's number.
func armRegister(text string) (int, bool) {
	if n, ok := armNames[text]; ok {
		return n, true
	}
	if len(text) < 2 || text[0] != 'r' {
		return 0, false
	}
	n, ok := number(text[1:])
	return int(n), ok && n >= 0 && n < 16
}

var armConditions = []string{"eq", "ne", "hs", "cs", "lo", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al"}

// armForm is an instruction of the table.
type armForm struct {
	setsFlags bool // with an s at the end
	decode    func(a *arm, i instruction, s bool, args []string) func(m *machine)
}

// split finds the instruction of a name with a condition at the end.
func (a *arm) split(name string) (form armForm, s bool, condition string, ok bool) {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".w"), ".n")
	try := func(base, condition string) bool {
		if f, is := armForms[base]; is {
			form, s, ok = f, false, true
		} else if f, is := armForms[strings.TrimSuffix(base, "s")]; is && f.setsFlags && strings.HasSuffix(base, "s") {
			form, s, ok = f, true, true
		}
		return ok
	}
	if try(name, "") {
		return form, s, "", true
	}
	for _, c := range armConditions {
		if base, is := strings.CutSuffix(name, c); is && try(base, c) {
			return form, s, c, true
		}
	}
	return armForm{}, false, "", false
}

func (a *arm) decode(i instruction, name string, args []string) func(m *machine) {
	if name[0] == 'v' {
		return a.vector(name, args)
	}
	if name == "it" || strings.HasPrefix(name, "it") && strings.Trim(name[2:], "te") == "" || name == "nop" || name == "nop.w" {
		return nil
	}
	form, s, condition, ok := a.split(name)
	if !ok {
		return forget(named(args, armRegister), true)
	}
	run := form.decode(a, i, s, args)
	if run == nil {
		return forget(named(args, armRegister), true)
	}
	if condition == "" {
		return run
	}
	return func(m *machine) {
		holds, isKnown := m.flags.holds(condition)
		switch {
		case !isKnown:
			m.perhaps(run)
		case holds:
			run(m)
		}
	}
}

// forget has registers, and perhaps the flags, hold what is not known.
func forget(registers []int, flagsToo bool) func(m *machine) {
	if len(registers) == 0 && !flagsToo {
		return nil
	}
	return func(m *machine) {
		for _, r := range registers {
			m.regs[r] = unknown
		}
		if flagsToo {
			m.flags = flags{}
		}
	}
}

// named are the registers that occur in operands.
func named(args []string, register func(text string) (int, bool)) (list []int) {
	for _, a := range args {
		for _, w := range strings.FieldsFunc(a, func(c rune) bool { return strings.ContainsRune("[]{}(), !-", c) }) {
			if r, ok := register(w); ok && !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
	}
	return list
}

// set gives a register a value; a jump if it is the program counter.
func (a *arm) set(m *machine, r int, v value) {
	if r == armPC {
		m.jump(v)
		return
	}
	v.n &= 0xffff_ffff
	m.regs[r] = v
}

// here is the program counter as an instruction reads it.
func (a *arm) here(i instruction) uint64 {
	if a.thumb {
		return i.address + 4
	}
	return i.address + 8
}

// operand reads a register or a number with what may follow: lsl #2.
func (a *arm) operand(i instruction, args []string) func(m *machine) value {
	if len(args) == 0 {
		return nil
	}
	if n, ok := number(args[0]); ok && len(args) == 1 {
		v := known(uint64(n) & 0xffff_ffff)
		return func(*machine) value { return v }
	}
	r, ok := armRegister(args[0])
	switch {
	case !ok:
		return nil
	case r == armPC:
		v := known(a.here(i))
		return func(*machine) value { return v }
	case len(args) == 1:
		return func(m *machine) value { return m.regs[r] }
	}
	kind, by, ok := strings.Cut(args[1], " ")
	n, isNumber := number(by)
	f := armShifts[kind]
	if !ok || !isNumber || f == nil {
		return func(*machine) value { return unknown }
	}
	return func(m *machine) value { return one(m.regs[r], func(x uint64) uint64 { return f(x, uint64(n)) }) }
}

// armShifts are the shifts of 32 bits by less than 256.
var armShifts = map[string]func(x, n uint64) uint64{
	"lsl": func(x, n uint64) uint64 { return x << (n & 255) & 0xffff_ffff },
	"lsr": func(x, n uint64) uint64 { return x >> (n & 255) },
	"asr": func(x, n uint64) uint64 { return uint64(int64(int32(x))>>(n&255)) & 0xffff_ffff },
	"ror": func(x, n uint64) uint64 {
		n &= 31
		return (x>>n | x<<(32-n)) & 0xffff_ffff
	},
}

// armForms is what an instruction does. What it lacks, changes what it names to what is not known.
var armForms map[string]armForm

func init() {
	armForms = map[string]armForm{}
	for name, f := range map[string]func(x, y uint64) uint64{
		"and": func(x, y uint64) uint64 { return x & y }, "orr": func(x, y uint64) uint64 { return x | y },
		"eor": func(x, y uint64) uint64 { return x ^ y }, "bic": func(x, y uint64) uint64 { return x &^ y },
		"orn": func(x, y uint64) uint64 { return x | ^y&0xffff_ffff }, "mul": func(x, y uint64) uint64 { return x * y },
		"lsl": armShifts["lsl"], "lsr": armShifts["lsr"], "asr": armShifts["asr"], "ror": armShifts["ror"],
	} {
		armForms[name] = armForm{true, func(a *arm, i instruction, s bool, args []string) func(m *machine) { return a.logic(i, f, s, args) }}
	}
	for name, f := range map[string]func(x, y uint64) uint64{
		"udiv": func(x, y uint64) uint64 {
			if y == 0 {
				return 0
			}
			return x / y
		},
		"sdiv": func(x, y uint64) uint64 {
			if uint32(y) == 0 {
				return 0
			}
			return uint64(int64(int32(x)) / int64(int32(y)))
		},
	} {
		armForms[name] = armForm{false, func(a *arm, i instruction, s bool, args []string) func(m *machine) { return a.logic(i, f, s, args) }}
	}
	for name, f := range map[string]func(x uint64) uint64{
		"mov": func(x uint64) uint64 { return x }, "mvn": func(x uint64) uint64 { return ^x & 0xffff_ffff }, "movw": func(x uint64) uint64 { return x },
		"sxtb": func(x uint64) uint64 { return extend(x, 8) }, "sxth": func(x uint64) uint64 { return extend(x, 16) },
		"clz":  func(x uint64) uint64 { return uint64(bits.LeadingZeros32(uint32(x))) },
		"uxtb": func(x uint64) uint64 { return x & 0xff }, "uxth": func(x uint64) uint64 { return x & 0xffff },
	} {
		armForms[name] = armForm{true, func(a *arm, i instruction, s bool, args []string) func(m *machine) { return a.move(i, f, s, args) }}
	}
	armForms["movt"] = armForm{false, (*arm).movt}
	for _, o := range []struct {
		name         string
		swap, invert bool
	}{{"add", false, false}, {"addw", false, false}, {"sub", false, true}, {"subw", false, true}, {"rsb", true, true}} {
		armForms[o.name] = armForm{true, func(a *arm, i instruction, s bool, args []string) func(m *machine) {
			return a.add(i, o.swap, o.invert, s, args)
		}}
	}
	armForms["adc"] = armForm{true, func(a *arm, i instruction, s bool, args []string) func(m *machine) {
		return a.carried(i, false, s, args)
	}}
	armForms["sbc"] = armForm{true, func(a *arm, i instruction, s bool, args []string) func(m *machine) {
		return a.carried(i, true, s, args)
	}}
	for name, invert := range map[string]bool{"cmp": true, "cmn": false} {
		armForms[name] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) { return a.compare(i, invert, args) }}
	}
	for name, f := range map[string]func(x, y uint64) uint64{
		"tst": func(x, y uint64) uint64 { return x & y }, "teq": func(x, y uint64) uint64 { return x ^ y },
	} {
		armForms[name] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
			x, y := a.operand(i, args[:1]), a.operand(i, args[1:])
			if x == nil || y == nil {
				return nil
			}
			return func(m *machine) { m.flags.result(both(x(m), y(m), f), 32) }
		}}
	}
	for _, l := range []struct {
		name   string
		bytes  int
		signed bool
	}{{"ldr", 4, false}, {"ldrb", 1, false}, {"ldrsb", 1, true}, {"ldrh", 2, false}, {"ldrsh", 2, true}} {
		armForms[l.name] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
			return a.memory(i, args, 1, func(m *machine, r int, at value) { a.set(m, r, m.load(at, l.bytes, l.signed)) })
		}}
	}
	for name, bytes := range map[string]int{"str": 4, "strb": 1, "strh": 2} {
		armForms[name] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
			return a.memory(i, args, 1, func(m *machine, r int, at value) { m.store(at, bytes, m.regs[r]) })
		}}
	}
	armForms["ldrd"] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
		return a.memory(i, args, 2, func(m *machine, r int, at value) { a.set(m, r, m.load(at, 4, false)) })
	}}
	armForms["strd"] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
		return a.memory(i, args, 2, func(m *machine, r int, at value) { m.store(at, 4, m.regs[r]) })
	}}
	for _, b := range []struct {
		name          string
		isLoad        bool
		before, first int // bytes a register below the base at which the block begins, and its distance from there
	}{{"ldm", true, 0, 0}, {"ldmdb", true, 4, 0}, {"ldmib", true, 0, 4}, {"stm", false, 0, 0}, {"stmdb", false, 4, 0}, {"stmib", false, 0, 4}} {
		armForms[b.name] = armForm{false, func(a *arm, _ instruction, _ bool, args []string) func(m *machine) {
			return a.block(args, b.isLoad, b.before, b.first)
		}}
	}
	armForms["push"] = armForm{false, func(a *arm, _ instruction, _ bool, args []string) func(m *machine) {
		return a.block(append([]string{"sp!"}, args...), false, 4, 0)
	}}
	armForms["pop"] = armForm{false, func(a *arm, _ instruction, _ bool, args []string) func(m *machine) {
		return a.block(append([]string{"sp!"}, args...), true, 0, 0)
	}}
	armForms["adr"] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
		r, ok := armRegister(args[0])
		n, isNumber := number(args[len(args)-1])
		if !ok || !isNumber {
			return nil
		}
		return func(m *machine) { a.set(m, r, known(a.here(i)&^3+uint64(n))) }
	}}
	armForms["mla"] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) { return a.accumulate(args, 1) }}
	armForms["mls"] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
		return a.accumulate(args, ^uint64(0))
	}}
	for name, signed := range map[string]bool{"ubfx": false, "sbfx": true} {
		armForms[name] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) { return a.field(args, signed) }}
	}
	for name, signed := range map[string]bool{"ssat": true, "usat": false} {
		armForms[name] = armForm{false, func(a *arm, i instruction, _ bool, args []string) func(m *machine) {
			return a.saturate(i, args, signed)
		}}
	}
	a32Branches()
	// These change the register that they name first, and no flags that branches ask for.
	for _, name := range strings.Fields(`smlad smladx smlsd smuad smuadx smlabb smlabt smlatb smlatt smulbb smulbt smultb smultt smlawb smlawt smulwb smulwt
		smmul smmulr smmla smmlar smmls smmlsr sxtb16 uxtb16 sxtab16 uxtab16 sxtab sxtah uxtab uxtah pkhbt pkhtb ssat16 usat16
		sadd16 ssub16 uadd8 usub8 uhadd8 qadd qsub qadd16 qsub16 sel rev rev16 bfi bfc rbit usada8 usad8 mrs`) {
		armForms[name] = armForm{false, func(_ *arm, _ instruction, _ bool, args []string) func(m *machine) {
			return forget(named(args[:1], armRegister), false)
		}}
	}
	for _, name := range strings.Fields("smull umull smlal umlal smlald smlalbb umaal smlsld smlaldx") {
		armForms[name] = armForm{true, func(_ *arm, _ instruction, s bool, args []string) func(m *machine) {
			return forget(named(args[:2], armRegister), s)
		}}
	}
}

// operands reads the register of the result, the first operand and the other one: two operands are short for
// three.
func (a *arm) operands(i instruction, args []string) (r int, x, y func(m *machine) value, ok bool) {
	if len(args) < 2 {
		return 0, nil, nil, false
	}
	first, others := args[1:2], args[2:]
	if len(args) == 2 || strings.Contains(args[2], " ") {
		first, others = args[:1], args[1:]
	}
	r, ok = armRegister(args[0])
	x, y = a.operand(i, first), a.operand(i, others)
	return r, x, y, ok && x != nil && y != nil
}

func (a *arm) logic(i instruction, f func(x, y uint64) uint64, s bool, args []string) func(m *machine) {
	r, x, y, ok := a.operands(i, args)
	if !ok {
		return nil
	}
	return func(m *machine) {
		v := both(x(m), y(m), f)
		a.set(m, r, v)
		if s {
			m.flags.result(v, 32)
		}
	}
}

func (a *arm) move(i instruction, f func(x uint64) uint64, s bool, args []string) func(m *machine) {
	if len(args) < 2 {
		return nil
	}
	r, ok := armRegister(args[0])
	x := a.operand(i, args[1:])
	if !ok || x == nil {
		return nil
	}
	return func(m *machine) {
		v := one(x(m), f)
		a.set(m, r, v)
		if s {
			m.flags.result(v, 32)
		}
	}
}

func (a *arm) movt(i instruction, _ bool, args []string) func(m *machine) {
	r, ok := armRegister(args[0])
	n, isNumber := number(args[1])
	if !ok || !isNumber {
		return nil
	}
	return func(m *machine) {
		m.regs[r] = one(m.regs[r], func(x uint64) uint64 { return x&0xffff | uint64(n)<<16 })
	}
}

func (a *arm) add(i instruction, swap, invert, s bool, args []string) func(m *machine) {
	r, x, y, ok := a.operands(i, args)
	if !ok {
		return nil
	}
	if swap {
		x, y = y, x
	}
	carry, mask := uint64(0), uint64(0)
	if invert {
		carry, mask = 1, 0xffff_ffff
	}
	return func(m *machine) {
		p, q := x(m), y(m)
		q.n ^= mask
		if s {
			a.set(m, r, m.flags.sum(p, q, carry, 32))
			return
		}
		a.set(m, r, value{p.n + q.n + carry, p.known && q.known})
	}
}

func (a *arm) carried(i instruction, invert, s bool, args []string) func(m *machine) {
	r, x, y, ok := a.operands(i, args)
	if !ok {
		return nil
	}
	return func(m *machine) {
		p, q, carry := x(m), y(m), uint64(0)
		if invert {
			q.n ^= 0xffff_ffff
		}
		if m.flags.c {
			carry = 1
		}
		q.known = q.known && m.flags.knowsC
		old := m.flags
		a.set(m, r, m.flags.sum(p, q, carry, 32))
		if !s {
			m.flags = old
		}
	}
}

func (a *arm) compare(i instruction, invert bool, args []string) func(m *machine) {
	x, y := a.operand(i, args[:1]), a.operand(i, args[1:])
	if x == nil || y == nil {
		return nil
	}
	carry, mask := uint64(0), uint64(0)
	if invert {
		carry, mask = 1, 0xffff_ffff
	}
	return func(m *machine) {
		p, q := x(m), y(m)
		q.n ^= mask
		m.flags.sum(p, q, carry, 32)
	}
}

func (a *arm) accumulate(args []string, sign uint64) func(m *machine) {
	list := named(args, armRegister)
	if len(args) != 4 {
		return nil
	}
	var r [4]int
	for k, text := range args {
		n, ok := armRegister(text)
		if !ok {
			return forget(list, true)
		}
		r[k] = n
	}
	return func(m *machine) {
		product := both(m.regs[r[1]], m.regs[r[2]], func(x, y uint64) uint64 { return x * y * sign })
		a.set(m, r[0], both(m.regs[r[3]], product, func(x, y uint64) uint64 { return x + y }))
	}
}

func (a *arm) field(args []string, signed bool) func(m *machine) {
	if len(args) != 4 {
		return nil
	}
	r, ok := armRegister(args[0])
	from, isRegister := armRegister(args[1])
	low, isLow := number(args[2])
	width, isWidth := number(args[3])
	if !ok || !isRegister || !isLow || !isWidth {
		return nil
	}
	return func(m *machine) {
		a.set(m, r, one(m.regs[from], func(x uint64) uint64 {
			x >>= uint64(low)
			if signed {
				return extend(x, int(width))
			}
			return x & mask(int(width))
		}))
	}
}

// saturate is a number within the limits of some bits, which may be shifted first.
func (a *arm) saturate(i instruction, args []string, signed bool) func(m *machine) {
	if len(args) < 3 {
		return nil
	}
	r, ok := armRegister(args[0])
	width, isWidth := number(args[1])
	x := a.operand(i, args[2:])
	if !ok || !isWidth || x == nil {
		return nil
	}
	least, most := int64(0), int64(1)<<width-1
	if signed {
		least, most = -1<<(width-1), 1<<(width-1)-1
	}
	return func(m *machine) {
		a.set(m, r, one(x(m), func(x uint64) uint64 { return uint64(min(max(int64(int32(x)), least), most)) }))
	}
}

// place is an operand of memory: its address, and the base after the instruction.
func (a *arm) place(i instruction, args []string) (at, after func(m *machine) value, base int, ok bool) {
	text, isBefore := strings.CutSuffix(args[0], "!")
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	var parts []string
	for _, p := range strings.Split(text, ",") {
		parts = append(parts, strings.TrimSpace(p))
	}
	b, _, _ := strings.Cut(parts[0], ":") // an alignment may follow
	base, ok = armRegister(b)
	if !ok {
		return nil, nil, 0, false
	}
	start := func(m *machine) value { return m.regs[base] }
	if base == armPC {
		v := known(a.here(i) &^ 3)
		start = func(*machine) value { return v }
	}
	plus := func(args []string) func(m *machine) value {
		if len(args) == 0 {
			return start
		}
		negative := strings.HasPrefix(args[0], "-")
		args[0] = strings.TrimPrefix(args[0], "-")
		y := a.operand(i, args)
		if y == nil {
			return nil
		}
		return func(m *machine) value {
			return both(start(m), y(m), func(x, y uint64) uint64 {
				if negative {
					y = -y
				}
				return (x + y) & 0xffff_ffff
			})
		}
	}
	at = plus(parts[1:])
	after = start
	if isBefore {
		after = at
	}
	if len(args) > 1 {
		after = plus(slices.Clone(args[1:]))
	}
	return at, after, base, at != nil && after != nil
}

// memory has count registers, one after the other in memory.
func (a *arm) memory(i instruction, args []string, count int, access func(m *machine, r int, at value)) func(m *machine) {
	if len(args) <= count {
		return nil
	}
	var list []int
	for _, text := range args[:count] {
		r, ok := armRegister(text)
		if !ok {
			return nil
		}
		list = append(list, r)
	}
	at, after, base, ok := a.place(i, args[count:])
	if !ok {
		return nil
	}
	moves := strings.HasSuffix(args[count], "!") || len(args) > count+1
	return func(m *machine) {
		from, to := at(m), after(m)
		if moves {
			m.regs[base] = to
		}
		for k, r := range list {
			access(m, r, value{from.n + uint64(4*k), from.known})
		}
	}
}

func (a *arm) block(args []string, isLoad bool, before, first int) func(m *machine) {
	if len(args) < 2 {
		return nil
	}
	text, moves := strings.CutSuffix(args[0], "!")
	base, ok := armRegister(text)
	if !ok {
		return nil
	}
	list := named(args[1:], armRegister)
	slices.Sort(list)
	return func(m *machine) {
		from := m.regs[base]
		start := from.n - uint64(before*len(list)) + uint64(first)
		if moves {
			after := from.n + uint64(4*len(list))
			if before > 0 {
				after = from.n - uint64(4*len(list))
			}
			m.regs[base] = value{after & 0xffff_ffff, from.known}
		}
		for k, r := range list {
			at := value{start + uint64(4*k), from.known}
			if isLoad {
				a.set(m, r, m.load(at, 4, false))
			} else {
				m.store(at, 4, m.regs[r])
			}
		}
	}
}

// a32Branches are what changes the program counter.
func a32Branches() {
	armForms["b"] = armForm{false, func(_ *arm, _ instruction, _ bool, args []string) func(m *machine) {
		to, ok := target(args)
		if !ok {
			return nil
		}
		return func(m *machine) { m.jump(known(to)) }
	}}
	armForms["bl"] = armForm{false, func(_ *arm, i instruction, _ bool, args []string) func(m *machine) {
		to, ok := target(args)
		if !ok {
			return nil
		}
		return func(m *machine) {
			m.regs[armLR] = known(i.next)
			m.jump(known(to))
		}
	}}
	armForms["bx"] = armForm{false, func(a *arm, _ instruction, _ bool, args []string) func(m *machine) {
		r, ok := armRegister(args[0])
		if !ok {
			return nil
		}
		return func(m *machine) { m.jump(m.regs[r]) }
	}}
	armForms["blx"] = armForm{false, func(_ *arm, i instruction, _ bool, args []string) func(m *machine) {
		r, ok := armRegister(args[0])
		if !ok {
			return nil
		}
		return func(m *machine) {
			to := m.regs[r]
			m.regs[armLR] = known(i.next)
			m.jump(to)
		}
	}}
	for name, zero := range map[string]bool{"cbz": true, "cbnz": false} {
		armForms[name] = armForm{false, func(_ *arm, _ instruction, _ bool, args []string) func(m *machine) {
			r, ok := armRegister(args[0])
			to, isTarget := target(args)
			if !ok || !isTarget {
				return nil
			}
			return func(m *machine) { m.branch(to, m.regs[r].n == 0 == zero, m.regs[r].known) }
		}}
	}
	// Loops of ARMv8.1-M count in lr; those with .8 to .64 count lanes of a vector.
	for name, tests := range map[string]bool{"dls": false, "wls": true, "dlstp": false, "wlstp": true} {
		for _, width := range []string{"", ".8", ".16", ".32", ".64"} {
			if (width != "") != strings.HasSuffix(name, "tp") {
				continue
			}
			lanes, _ := number(strings.TrimPrefix(width, "."))
			armForms[name+width] = armForm{false, func(_ *arm, _ instruction, _ bool, args []string) func(m *machine) {
				r, ok := armRegister(args[1])
				to, isTarget := target(args)
				if !ok || tests && !isTarget {
					return nil
				}
				return func(m *machine) {
					v := m.regs[r]
					if tests {
						m.branch(to, v.n == 0, v.known)
						if v.n == 0 {
							return
						}
					}
					if m.regs[armLR], m.lanes = v, 1; lanes > 0 {
						m.lanes = uint64(128 / lanes)
					}
				}
			}}
		}
	}
	for name, tails := range map[string]bool{"le": false, "letp": true} {
		armForms[name] = armForm{false, func(_ *arm, _ instruction, _ bool, args []string) func(m *machine) {
			to, ok := target(args)
			if !ok || len(args) != 2 {
				return nil
			}
			return func(m *machine) {
				by := uint64(1)
				if tails {
					by = m.lanes
				}
				v := m.regs[armLR]
				if v.n > by {
					m.regs[armLR] = value{v.n - by, v.known}
				}
				m.branch(to, v.n > by, v.known)
			}
		}}
	}
	for _, c := range []struct {
		name    string
		reads   int
		other   func(y uint64) uint64 // of what the second register gives where the condition does not hold
		flipped bool                  // the condition holds for other
	}{
		{"csel", 2, func(y uint64) uint64 { return y }, false}, {"csinc", 2, func(y uint64) uint64 { return y + 1 }, false},
		{"csinv", 2, func(y uint64) uint64 { return ^y }, false}, {"csneg", 2, func(y uint64) uint64 { return -y }, false},
		{"cinc", 1, func(y uint64) uint64 { return y + 1 }, true}, {"cinv", 1, func(y uint64) uint64 { return ^y }, true}, {"cneg", 1, func(y uint64) uint64 { return -y }, true},
		{"cset", 0, func(uint64) uint64 { return 1 }, true}, {"csetm", 0, func(uint64) uint64 { return ^uint64(0) }, true},
	} {
		armForms[c.name] = armForm{false, func(a *arm, _ instruction, _ bool, args []string) func(m *machine) {
			if len(args) != c.reads+2 {
				return nil
			}
			r, ok := armRegister(args[0])
			x, y := -1, -1
			if c.reads > 0 {
				x, _ = armRegister(args[1])
				y, _ = armRegister(args[c.reads])
			}
			condition := args[len(args)-1]
			zero := func(m *machine, r int) value {
				if r < 0 {
					return known(0)
				}
				return m.regs[r]
			}
			if !ok {
				return nil
			}
			return func(m *machine) {
				holds, isKnown := m.flags.holds(condition)
				v := zero(m, x)
				if holds == c.flipped {
					v = one(zero(m, y), c.other)
				}
				v.known = v.known && isKnown
				a.set(m, r, v)
			}
		}}
	}
}

// vector is an instruction of NEON or Helium: of registers of integers it changes a base that
// moves, and those that it names first.
func (a *arm) vector(name string, args []string) func(m *machine) {
	base, rest, _ := strings.Cut(name, ".")
	if base == "vpush" || base == "vpop" {
		by := uint64(vectorBytes(args[0], 0))
		if base == "vpush" {
			by = -by
		}
		return func(m *machine) { m.regs[armSP].n = (m.regs[armSP].n + by) & 0xffff_ffff }
	}
	if base == "vmrs" && strings.EqualFold(args[0], "apsr_nzcv") {
		return func(m *machine) { m.flags = flags{} }
	}
	if strings.HasPrefix(base, "vldm") || strings.HasPrefix(base, "vstm") {
		text, moves := strings.CutSuffix(args[0], "!")
		r, ok := armRegister(text)
		if !moves {
			return nil
		}
		by := uint64(vectorBytes(args[1], 0))
		if strings.HasPrefix(base[4:], "db") {
			by = -by
		}
		if !ok {
			return forget(named(args, armRegister), true)
		}
		return func(m *machine) { m.regs[r].n = (m.regs[r].n + by) & 0xffff_ffff }
	}
	for k, text := range args {
		if !strings.HasPrefix(text, "[") {
			continue
		}
		if !strings.HasSuffix(text, "!") && k == len(args)-1 {
			return nil
		}
		_, after, r, ok := a.place(instruction{}, args[k:])
		if !ok {
			return forget(named(args[k:], armRegister), false)
		}
		if !strings.Contains(text, ",") && k == len(args)-1 { // [r0]!: by what it accesses
			width, _ := number(strings.TrimLeft(rest, "usif"))
			by := uint64(vectorBytes(args[0], int(width)/8))
			after = func(m *machine) value { return value{(m.regs[r].n + by) & 0xffff_ffff, m.regs[r].known} }
		}
		return func(m *machine) { m.regs[r] = after(m) }
	}
	if len(args) == 0 {
		return nil
	}
	if _, ok := armRegister(args[0]); !ok && !slices.Contains([]string{"vidup", "vddup", "viwdup", "vdwdup", "vshlc"}, base) {
		return nil
	}
	return forget(named(args, armRegister), false)
}

// vectorBytes is the bytes of a list of registers; of lanes of them, element bytes each.
func vectorBytes(list string, element int) (bytes int) {
	for _, r := range strings.Split(strings.Trim(list, "{}"), ",") {
		r = strings.TrimSpace(r)
		first, last, isRange := strings.Cut(r, "-")
		count := 1
		if isRange {
			a, _ := number(first[1:])
			b, _ := number(last[1:])
			count = int(b-a) + 1
		}
		switch {
		case strings.Contains(r, "["):
			bytes += element
		case r != "" && r[0] == 'q':
			bytes += 16 * count
		case r != "" && r[0] == 's':
			bytes += 4 * count
		default:
			bytes += 8 * count
		}
	}
	return bytes
}
