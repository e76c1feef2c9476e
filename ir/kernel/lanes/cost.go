package lanes

// Instructions beside the products, fitted to counts under the emulator.
const (
	perCall     = 14. // a tile: the call, its addresses
	perBlock    = 12. // a block of a tile's channels: constants, addresses
	perVector   = 5.  // four channels of a block: their constants
	perSegment  = 4.  // of a window
	perChunk    = 4.  // a round of the loop
	perSums     = 4.3 // four sums of a pixel: requantized and stored
	perCopied   = 2.6 // sixteen bytes copied to scratch
	perPiece    = 5.  // a group's inputs of a pixel copied to scratch
	perRepeated = .4  // a byte copied to scratch as one of several
	perRow      = 30. // a row copied, or of tiles

	// Where loads at any distance are not as cheap as at none.
	perAddress = 3.  // a pixel's address in a segment
	perBlocks  = 20. // blocks of one size in a tile
)

// cycles estimates the instructions of a layer.
func (s *shape) cycles(m *product, p Plan) float64 {
	whole, left := s.run/p.Pixels, s.run%p.Pixels
	tiles := float64(whole) * s.tile(m, p.Pixels, p.Channels)
	if left > 0 {
		tiles += s.tile(m, left, p.Channels)
	}
	sum := float64(s.runs) * (float64(s.groups)*tiles + perRow)
	return sum + s.copyCycles(p.Band)
}

// copyCycles are those of the rows that are copied to scratch.
func (s *shape) copyCycles(band int) float64 {
	if !s.buffered {
		return 0
	}
	rows := float64(s.outRows) / float64(band) * float64(s.bandRows(band))
	copied := float64(s.w.InW*s.in) / chunk * perCopied
	if s.groups > 1 {
		copied = float64(s.w.InW) * perPiece * float64((s.in+chunk-1)/chunk)
	}
	if s.multiplier > 1 {
		copied = float64(s.w.InW*s.in) * perRepeated
	}
	return rows * float64(s.groups) * (copied + perRow)
}

// tile is the instructions of a group's channels of some pixels.
func (s *shape) tile(m *product, pixels, channels int) float64 {
	px, sum := float64(pixels), perCall
	chunks, rest := s.loads()
	for _, b := range s.blocks(channels) {
		v := float64(b.vectors())
		// A step of four inputs.
		each, load := v*.75+px*v, px
		switch {
		case m.runs:
			each = v + px*(2+2*v)
			load += px * v // the sums of 16 bits
		case m.pairs:
			each = v + px*(2+3*v)
		}
		segment := perSegment + float64(chunks)*(4*each+load+perChunk)
		for _, l := range rest {
			segment += load
			for _, st := range l.steps {
				segment += each
				if st.n < step {
					segment += 1 + 1.5*v*float64(st.n)
				}
			}
		}
		if !m.adjacent {
			segment += px * perAddress
			sum += perBlocks
		}
		one := perBlock + v*perVector + px*v*perSums + float64(s.w.KH*s.segments)*segment
		sum += float64(b.n) * one
	}
	return sum
}

// sumCycles are those of the sums of the inputs of all windows.
func (s *shape) sumCycles(m *product, p Plan) float64 {
	ones := *s
	ones.rows = lanesOf
	return float64(s.runs*s.groups*s.run) / float64(p.Pixels) * (ones.tile(m, p.Pixels, lanesOf) - perCall)
}
