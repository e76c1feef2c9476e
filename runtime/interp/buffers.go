package interp

// chunkBytes bounds the values of the images that one worker takes at a time. Of large images it takes one.
const chunkBytes = 16 << 20

// buffers are where a worker keeps the results of a run of operations that nobody asked for. A
// result takes the place of one that no later operation reads, so that a worker holds what lives at
// a time, and not what was computed.
type buffers struct {
	of    []int // by slot; -1 of a value that is kept, or given
	sizes []int // elements of one image, by buffer
}

// newBuffers plans the results of steps on slots of so many elements, those that are kept left out.
func newBuffers[T float32 | int8](steps []step[T], sizes []int, isKept func(slot int) bool) buffers {
	last := make([]int, len(sizes)) // the step that reads a slot last
	for i, s := range steps {
		last[s.out] = i
		for _, a := range s.args {
			last[a] = i
		}
	}
	b := buffers{of: make([]int, len(sizes))}
	for slot := range b.of {
		b.of[slot] = -1
	}
	var free []int
	for i, s := range steps {
		if b.of[s.out] < 0 && !isKept(s.out) {
			b.of[s.out] = b.take(&free, sizes[s.out])
		}
		release := func(slot int) {
			if b.of[slot] >= 0 && last[slot] == i {
				free = append(free, b.of[slot])
				last[slot] = -1 // an operation may read a value twice
			}
		}
		for _, a := range s.args {
			release(a)
		}
		release(s.out)
	}
	return b
}

// take is the smallest free buffer that is large enough, else the largest, which grows.
func (b *buffers) take(free *[]int, size int) int {
	best := -1
	for k, i := range *free {
		if best < 0 {
			best = k
			continue
		}
		have, other := b.sizes[i], b.sizes[(*free)[best]]
		if other < size && have > other || have >= size && have < other {
			best = k
		}
	}
	if best < 0 {
		b.sizes = append(b.sizes, size)
		return len(b.sizes) - 1
	}
	i := (*free)[best]
	*free = append((*free)[:best], (*free)[best+1:]...)
	b.sizes[i] = max(b.sizes[i], size)
	return i
}

// elements are those of all buffers, of one image.
func (b *buffers) elements() (n int) {
	for _, size := range b.sizes {
		n += size
	}
	return n
}
