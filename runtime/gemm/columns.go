package gemm

import "sync"

// Columns is a matrix b[k,n] laid out for products: panels of 16 columns,
// [n/16][k][16], filled up with zeros.
type Columns struct {
	K, N   int
	panels []float32
}

// Tile is the columns of a panel.
const Tile = lineCols

// NewColumns lays b[k,n] out; the columns of b lie colStride apart and its rows
// rowStride, so that a transposed matrix needs no copy of its own.
func NewColumns(k, n int, b []float32, rowStride, colStride int) *Columns {
	c := &Columns{K: k, N: n, panels: make([]float32, (n+Tile-1)/Tile*k*Tile)}
	for j := 0; j < n; j += Tile {
		pack(k, min(Tile, n-j), b[j*colStride:], rowStride, colStride, c.panels[j*k:])
	}
	return c
}

func pack(k, wide int, b []float32, rowStride, colStride int, panel []float32) {
	if colStride == 1 {
		for l := range k {
			row := panel[l*Tile : (l+1)*Tile]
			clear(row[copy(row, b[l*rowStride:l*rowStride+wide]):])
		}
		return
	}
	for l := range k {
		row := panel[l*Tile : (l+1)*Tile]
		for j := range wide {
			row[j] = b[l*rowStride+j*colStride]
		}
		clear(row[wide:])
	}
}

// Product computes c[m,N] = a[m,K]*b.
func (b *Columns) Product(m int, a, c []float32) { b.Part(m, a, 0, b.K, 0, c) }

// Part computes c[m,N-first] = a[m,to-from]*b[from:to,first:], first a multiple of
// Tile.
func (b *Columns) Part(m int, a []float32, from, to, first int, c []float32) {
	k := to - from
	rest := remainder(m, k, a)
	var panels [mostLines]int
	for j := first; j < b.N; j += len(panels) * Tile {
		n := 0
		for ; n < len(panels) && j+n*Tile < b.N; n++ {
			panels[n] = (j+n*Tile)*b.K + from*Tile
		}
		times(m, b.N-first, k, a, rest, b.panels, panels[:n], j-first, c)
	}
}

// panels are copies of columns of b, kept between calls.
var panels = sync.Pool{New: func() any { return new([]float32) }}

// Float32 computes c[m,n] = a[m,k]*b[k,n]. Each element is the sum of its
// products in the order of k, each added by a fused step: the same bits with and
// without the processor's own kernels.
func Float32(m, n, k int, a, b, c []float32) {
	buffer := panels.Get().(*[]float32)
	defer panels.Put(buffer)
	if len(*buffer) < 2*k*Tile {
		*buffer = make([]float32, 2*k*Tile)
	}
	rest := remainder(m, k, a)
	at := [2]int{0, k * Tile}
	for j := 0; j < n; j += len(at) * Tile {
		count := 0
		for ; count < len(at) && j+count*Tile < n; count++ {
			first := j + count*Tile
			pack(k, min(Tile, n-first), b[first:], n, 1, (*buffer)[at[count]:])
		}
		times(m, n, k, a, rest, *buffer, at[:count], j, c)
	}
}

// remainder is the last rows of a that fill no tile, and zeros.
func remainder(m, k int, a []float32) []float32 {
	tile := rowsOfTile(m)
	left := m % tile
	if left == 0 {
		return nil
	}
	rest := make([]float32, tile*k)
	copy(rest, a[(m-left)*k:m*k])
	return rest
}

// times computes the columns of c[m,n] from j on, as many as some panels have.
func times(m, n, k int, a, rest, panels []float32, at []int, j int, c []float32) {
	var tile [mostRows * blockCols]float32
	wide, step := min(len(at)*Tile, n-j), rowsOfTile(m)
	for i := 0; i < m; i += step {
		high := min(step, m-i)
		from := a[i*k:]
		if high < step {
			from = rest
		}
		clear(tile[:])
		floatTiles(step, k, from, k, 1, panels, at, strides(k), tile[:], blockCols)
		for r := range high {
			copy(c[(i+r)*n+j:][:wide], tile[r*blockCols:])
		}
	}
}
