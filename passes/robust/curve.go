package robust

import (
	"context"

	"github.com/dnnc/dnnc/passes/quant"
	"github.com/dnnc/dnnc/runtime/measure"
)

// Point is a network on the trade-off curve between size and divergence.
type Point struct {
	Formats  []quant.Format
	Bytes    int     // packed weights with their codebooks
	Forecast float64 // KL: the sum of the layers' own
	// Measured is the network as a whole on held-out images; nil where the table's
	// sum has to do.
	Measured *Measured
}

// Measured is what a network that was rounded as a whole does on held-out images.
type Measured struct {
	KL        float64 // from the float network, on the mixture of errors
	Retention measure.Estimate
}

// Curve is the networks that Qed's table leaves undominated, by rising bytes: one
// dynamic program gives them all.
func (s *Search) Curve(ctx context.Context) ([]Point, error) {
	if err := s.fill(ctx, s.judge.images, s.all); err != nil {
		return nil, err
	}
	s.charge()
	var list []Point
	for _, plan := range s.curve(s.surrogates()[0]) {
		list = append(list, Point{Formats: s.formats(&plan), Bytes: plan.Bytes, Forecast: plan.Cost})
	}
	return list, nil
}

// Measure rounds a point's network as a whole and measures it.
func (s *Search) Measure(ctx context.Context, p *Point) error {
	n, err := s.joint(ctx, s.final, "qed", p.Formats)
	if err != nil {
		return err
	}
	kept, _, err := s.retention(ctx, p.Formats)
	if err != nil {
		return err
	}
	p.Measured = &Measured{n.KL, kept}
	return nil
}
