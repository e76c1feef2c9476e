package tflite

import (
	"encoding/binary"
	"fmt"
)

// A Change is bytes of a model that a test overwrites.
type Change struct {
	What  string
	At    int
	Bytes []byte
}

// Changes are faults of a model that keep it a flatbuffer: arguments that are absent or
// other ones, options, shapes, types, scales, zero points and short lists of integers
// with other values.
func Changes(raw []byte) (list []Change) {
	f := &flat{raw: raw}
	model := table{f, f.follow(0)}
	graph := model.tables(2)[0]
	add := func(at int, b []byte, what string, args ...any) {
		if at != 0 {
			list = append(list, Change{fmt.Sprintf(what, args...), at, b})
		}
	}
	word := func(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)} }
	tensors := graph.tables(0)
	for _, o := range graph.tables(3) {
		for i, name := range []string{"argument", "result"} {
			at, n, _ := o.vector(1+i, 4)
			for k := range n {
				add(at+4*k, word(-1), "%s: none", name)
				add(at+4*k, word(len(tensors)), "%s: beyond all tensors", name)
				for i := range tensors {
					add(at+4*k, word(i), "%s: another", name)
				}
			}
		}
		if options, ok := o.sub(4); ok {
			for slot := range 12 {
				for _, v := range []byte{0, 1, 2, 4, 9, 255} {
					add(options.field(slot), []byte{v}, "option %d: %d", slot, v)
				}
			}
		}
	}
	for _, x := range tensors {
		if at, n, ok := x.vector(0, 4); ok {
			for k, d := range x.ints(0)[:n] {
				for _, v := range []int{0, -1, 1, d + 1, 2 * d, 1 << 30} {
					add(at+4*k, word(v), "shape: another dimension")
				}
			}
		}
		for _, v := range []byte{0, 1, 2, 3, 4, 6, 9, 17} {
			add(x.field(1), []byte{v}, "type: %d", v)
		}
		add(x.field(2), word(0), "data: none")
		add(x.field(2), word(99), "data: beyond all")
		if q, ok := x.sub(4); ok {
			if at, n, _ := q.vector(2, 4); n > 0 {
				add(at, word(0), "scale: 0")
				add(at+4*n-4, word(0x7fc00000), "scale: no number")
				add(at, []byte{0, 0, 0, 0x40}, "scale: 2")
				add(at-4, word(n-1), "scale: one less")
			}
			if at, n, _ := q.vector(3, 8); n > 0 {
				add(at, []byte{1, 1}, "zero point: 257")
				add(at, []byte{7}, "zero point: 7 more or less")
				add(at-4, word(n-1), "zero point: one less")
			}
			for _, v := range []byte{0, 1, 9, 255} {
				add(q.field(6), []byte{v, 0, 0, 0}, "channels along: %d", v)
			}
		}
	}
	for _, b := range model.tables(4) {
		if at, n, _ := b.vector(0, 1); n >= 4 && n <= 64 && n%4 == 0 {
			for k := 0; k < n; k += 4 {
				for _, v := range []int{0, 1, 2, -1, -9, 99} {
					add(at+k, word(v), "constant: another integer")
				}
			}
		}
	}
	return list
}

// Patch changes the shape signature, a dimension or the type of the first input, the type of
// an operator's result, or a number of an operator's constant, as a test says it.
func Patch(raw []byte, change string) {
	f := &flat{raw: raw}
	model := table{f, f.follow(0)}
	graph := model.tables(2)[0]
	tensors := graph.tables(0)
	var k, n, arg, i int
	if _, err := fmt.Sscanf(change, "operator %d: number %d of argument %d is %d", &k, &i, &arg, &n); err == nil {
		at, _, _ := model.tables(4)[tensors[graph.tables(3)[k].ints(1)[arg]].int(2, 0)].vector(0, 1)
		binary.LittleEndian.PutUint32(raw[at+4*i:], uint32(n))
		return
	}
	if _, err := fmt.Sscanf(change, "operator %d: type %d", &k, &n); err == nil {
		raw[tensors[graph.tables(3)[k].ints(2)[0]].field(1)] = byte(n)
		return
	}
	in := tensors[graph.ints(1)[0]]
	if _, err := fmt.Sscanf(change, "input: axis %d open", &k); err == nil {
		at, _, _ := in.vector(7, 4)
		copy(raw[at+4*k:], []byte{255, 255, 255, 255})
		return
	}
	if _, err := fmt.Sscanf(change, "input: dimension %d is %d", &k, &n); err == nil {
		at, _, _ := in.vector(0, 4)
		binary.LittleEndian.PutUint32(raw[at+4*k:], uint32(n))
		return
	}
	if _, err := fmt.Sscanf(change, "input: type %d", &n); err != nil || in.field(1) == 0 {
		panic(change)
	}
	raw[in.field(1)] = byte(n)
}
