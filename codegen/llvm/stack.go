package llvm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dnnc/dnnc/ir/processor"
)

// Stack bounds the stack that a function of an object takes, its own frame and
// those of all that it calls, in bytes below the caller's: frames are what LLVM
// wrote into the sections .stack_sizes, calls are the object's relocations. An
// object that calls in a circle, or what it does not define, has no bound. 0 is not
// known: frames with vectors whose length only the processor knows.
func Stack(object []byte, root string, t *processor.Target) (int, error) {
	if !HasFrames(t) {
		return 0, nil
	}
	g, err := ReadFrames(object)
	if err != nil {
		return 0, err
	}
	return g.Stack(root)
}

// HasFrames reports whether functions on a target have frames of known size: not
// where registers of unknown length are saved on the stack.
func HasFrames(t *processor.Target) bool { return !t.Has("rvv") }

// Frames is the call graph of an object with the stack that each function takes. A
// function is the index of its section, for each has one of its own.
type Frames struct {
	f       *elf.File
	symbols []elf.Symbol
	size    map[int]int
	calls   map[int][]int
	state   map[int]int // 1 while a function is walked, 2 when its total is known
	total   map[int]int
}

// ReadFrames reads an object's.
func ReadFrames(object []byte) (*Frames, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	symbols, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	g := &Frames{f: f, symbols: symbols, size: map[int]int{}, calls: map[int][]int{}, state: map[int]int{}, total: map[int]int{}}
	return g, g.read()
}

// Stack is the bytes that a function and what it calls take.
func (g *Frames) Stack(root string) (int, error) {
	for _, s := range g.symbols {
		if s.Name == root && int(s.Section) < len(g.f.Sections) {
			return g.depth(int(s.Section))
		}
	}
	return 0, fmt.Errorf("llvm: the object has no function %s", root)
}

func (g *Frames) read() error {
	frames := map[int]int{} // each in a section .stack_sizes of its own,
	of := map[int]int{}     // which is of the function that it refers to
	for i, s := range g.f.Sections {
		switch {
		case s.Name == ".stack_sizes":
			data, err := s.Data()
			if err != nil {
				return err
			}
			word := 8
			if g.f.Class == elf.ELFCLASS32 {
				word = 4
			}
			if len(data) < word {
				return fmt.Errorf("llvm: a section .stack_sizes of %d bytes", len(data))
			}
			n, _ := binary.Uvarint(data[word:])
			if n > maxFrame {
				return fmt.Errorf("llvm: a frame of %d bytes", n)
			}
			frames[i] = int(n)
		case s.Type == elf.SHT_REL || s.Type == elf.SHT_RELA:
			if int64(s.Info) >= int64(len(g.f.Sections)) {
				return fmt.Errorf("llvm: %s is of section %d, which the object does not have", s.Name, s.Info)
			}
			from := int(s.Info)
			code := g.f.Sections[from].Flags&elf.SHF_EXECINSTR != 0
			if !code && g.f.Sections[from].Name != ".stack_sizes" {
				continue
			}
			list, err := g.functions(s)
			switch {
			case err != nil:
				return err
			case code:
				g.calls[from] = slices.DeleteFunc(list, func(to int) bool { return to == from })
			case len(list) == 1:
				of[from] = list[0]
			}
		}
	}
	for i, n := range frames {
		if fn, ok := of[i]; ok {
			g.size[fn] = n
		}
	}
	return nil
}

// maxFrame is more than any function takes; sums of such frames do not overflow.
const maxFrame = 1 << 30

// functions are the sections of code that a section's relocations refer to.
func (g *Frames) functions(s *elf.Section) (list []int, err error) {
	data, err := s.Data()
	if err != nil {
		return nil, err
	}
	entry := 8 // bytes of the address and of what is referred to
	if g.f.Class == elf.ELFCLASS64 {
		entry = 16
	}
	if s.Entsize < uint64(entry) || s.Entsize > 2*uint64(entry) {
		return nil, fmt.Errorf("llvm: the entries of %s have %d bytes", s.Name, s.Entsize)
	}
	for i := 0; i+int(s.Entsize) <= len(data); i += int(s.Entsize) {
		var symbol int
		if g.f.Class == elf.ELFCLASS32 {
			symbol = int(g.f.ByteOrder.Uint32(data[i+4:]) >> 8)
		} else {
			symbol = int(g.f.ByteOrder.Uint64(data[i+8:]) >> 32)
		}
		if symbol == 0 || symbol > len(g.symbols) {
			continue // a hint to the linker that names nothing
		}
		to := int(g.symbols[symbol-1].Section)
		if to == int(elf.SHN_UNDEF) {
			return nil, fmt.Errorf("llvm: the object calls %s, which it does not define", g.symbols[symbol-1].Name)
		}
		if to < len(g.f.Sections) && g.f.Sections[to].Flags&elf.SHF_EXECINSTR != 0 && !slices.Contains(list, to) {
			list = append(list, to)
		}
	}
	return list, nil
}

// redZone is the bytes below its stack that a function which calls none may use on
// x86-64.
const redZone = 128

// depth is the stack of a function and what it calls.
func (g *Frames) depth(fn int) (int, error) {
	switch g.state[fn] {
	case 1:
		return 0, fmt.Errorf("llvm: %s calls itself", g.f.Sections[fn].Name)
	case 2:
		return g.total[fn], nil
	}
	g.state[fn] = 1
	own, ok := g.size[fn]
	if !ok {
		return 0, fmt.Errorf("llvm: the frame of %s is not known", g.f.Sections[fn].Name)
	}
	if g.f.Machine == elf.EM_X86_64 {
		own += 8 // the address that a call pushes
		if len(g.calls[fn]) == 0 {
			own += redZone
		}
	}
	deepest := 0
	for _, c := range g.calls[fn] {
		d, err := g.depth(c)
		if err != nil {
			return 0, err
		}
		deepest = max(deepest, d)
	}
	g.state[fn], g.total[fn] = 2, own+deepest
	return own + deepest, nil
}
