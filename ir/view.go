package ir

// View says which elements of a tensor, in logical order, make another one:
// element i of the result is element Start + sum(i[k]*Strides[k]) of the tensor.
// Transposing, slicing, flipping and expanding are views of views.
type View struct {
	Dims, Strides []int
	Start         int
}

// ViewOf is the whole of a tensor of a shape.
func ViewOf(s Shape) View {
	v := View{Dims: append([]int(nil), s...), Strides: make([]int, len(s))}
	step := 1
	for k := len(s) - 1; k >= 0; k-- {
		v.Strides[k] = step
		step *= s[k]
	}
	return v
}

func (v View) clone() View {
	return View{append([]int(nil), v.Dims...), append([]int(nil), v.Strides...), v.Start}
}

// Permute has axis perm[k] of v as its axis k.
func (v View) Permute(perm []int) View {
	p := View{Start: v.Start}
	for _, k := range perm {
		p.Dims, p.Strides = append(p.Dims, v.Dims[k]), append(p.Strides, v.Strides[k])
	}
	return p
}

// Slice takes n elements along an axis, from start on, step apart; steps may be
// negative.
func (v View) Slice(axis, start, step, n int) View {
	s := v.clone()
	s.Start += start * s.Strides[axis]
	s.Strides[axis] *= step
	s.Dims[axis] = n
	return s
}

// Split makes an axis two, the second of inner elements, which must divide it.
func (v View) Split(axis, inner int) View {
	s := View{Start: v.Start}
	for k, d := range v.Dims {
		if k == axis {
			s.Dims, s.Strides = append(s.Dims, d/inner), append(s.Strides, v.Strides[k]*inner)
			d = inner
		}
		s.Dims, s.Strides = append(s.Dims, d), append(s.Strides, v.Strides[k])
	}
	return s
}

// Expand repeats axes of one element to those of a shape, which begins with as
// many axes more as it has; ok is false where the shapes do not fit.
func (v View) Expand(to Shape) (e View, ok bool) {
	more := len(to) - len(v.Dims)
	if more < 0 {
		return View{}, false
	}
	e = View{Dims: append([]int(nil), to...), Strides: make([]int, len(to)), Start: v.Start}
	for k, d := range v.Dims {
		switch {
		case d == to[more+k]:
			e.Strides[more+k] = v.Strides[k]
		case d != 1:
			return View{}, false
		}
	}
	return e, true
}

// Size is the number of elements, -1 for an impossible shape.
func (v View) Size() int { return Shape(v.Dims).Size() }

// Each calls f with the place of each element in order.
func (v View) Each(f func(i, at int)) {
	size := v.Size()
	if size <= 0 {
		return
	}
	count := make([]int, len(v.Dims))
	at := v.Start
	for i := range size {
		f(i, at)
		for k := len(count) - 1; k >= 0; k-- {
			count[k]++
			at += v.Strides[k]
			if count[k] < v.Dims[k] {
				break
			}
			at -= count[k] * v.Strides[k]
			count[k] = 0
		}
	}
}

// Index lists the places of all elements.
func (v View) Index() []int32 {
	out := make([]int32, max(v.Size(), 0))
	if len(out) == 0 {
		return out
	}
	outer, run, step := v, 1, 0 // runs along the last axis
	if k := len(v.Dims) - 1; k >= 0 {
		outer, run, step = View{Dims: v.Dims[:k], Strides: v.Strides[:k], Start: v.Start}, v.Dims[k], v.Strides[k]
	}
	outer.Each(func(i, at int) {
		for j := range out[i*run : (i+1)*run] {
			out[i*run+j] = int32(at + j*step)
		}
	})
	return out
}

// IsWhole reports whether v is all of a tensor in its order.
func (v View) IsWhole() bool {
	step := 1
	for k := len(v.Dims) - 1; k >= 0; k-- {
		if v.Dims[k] != 1 && v.Strides[k] != step {
			return false
		}
		step *= v.Dims[k]
	}
	return v.Start == 0
}
