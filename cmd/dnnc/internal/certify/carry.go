package certify

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/verify"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/proof"
)

// carry writes what a document proves of an object into the certificate beside it, in place of
// what it had.
func (s *subject) carry(object string, d *proof.Document, text []byte, out io.Writer) error {
	path, c, err := verify.Certificate(object)
	if err != nil {
		return err
	}
	c.Proof = proved(d, text, s.summarize(d))
	raw, err := c.JSON()
	if err != nil {
		return err
	}
	if err := driver.Replace(path, raw); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s carries what is proved\n", filepath.Base(path))
	return err
}

// proved is the summary of a document as a certificate has it: of what was decided alone, without
// the bounds of random errors. It is nil where there is nothing else.
func proved(d *proof.Document, text []byte, sum *summary) *certificate.Proof {
	if len(sum.moved)+len(sum.placed) == 0 {
		return nil
	}
	p := &certificate.Proof{Statement: d.Statement, Integers: d.Content, SHA256: certificate.SHA256(text), Right: d.Right, Images: sum.images}
	for _, f := range d.Data {
		p.Data = append(p.Data, certificate.Input{Name: f.Name, SHA256: f.SHA256})
	}
	share := func(images int) float64 { return float64(images) / float64(sum.images) }
	for i := range sum.moved {
		m := &sum.moved[i]
		x := certificate.Proved{Error: m.name, Range: &m.mean, Missed: m.past}
		for _, row := range m.rows {
			x.Sizes, x.Shares = append(x.Sizes, row.size), append(x.Shares, share(row.images))
		}
		p.Proved = append(p.Proved, x)
	}
	for _, m := range sum.placed {
		p.Proved = append(p.Proved, certificate.Proved{Error: m.name, Shares: []float64{share(m.images)}})
	}
	return p
}
