package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/proof"
)

// rangeTo is a range that ends at a size, just after which the answer is wrong; "" of an image that is wrong.
func rangeTo(t *testing.T, kind, way, to string, past bool) proof.Range {
	wrong := 3
	r := proof.Range{Kind: kind, Way: way, Then: &wrong, Including: true, Past: past}
	if to != "" {
		r.To = &proof.Size{}
		require.NoError(t, json.Unmarshal([]byte(`"`+to+`"`), r.To))
	}
	return r
}

// write makes a certificate and a proof: of each image where light brighter and darker, and darken end.
func write(t *testing.T, folder, name string, bytes int, change func(d *proof.Document), ends ...[3]string) {
	t.Helper()
	c := certificate.Certificate{Version: certificate.Version, Network: "net", Content: "c", WeightBytes: bytes}
	raw, err := c.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".json"), raw, 0o644))
	d := &proof.Document{Version: proof.Version, Network: "net", Right: proof.Labels, Images: 10, Errors: "light=0.1,0.25;darken=0.5", MultiplyAdds: 10, Whole: 125}
	for i, e := range ends {
		d.Decided = append(d.Decided, proof.Image{SHA256: fmt.Sprint(i), Ranges: []proof.Range{
			rangeTo(t, "light", "brighter", e[0], i == 0), rangeTo(t, "light", "darker", e[1], false), rangeTo(t, "darken", "", e[2], false)}})
	}
	if change != nil {
		change(d)
	}
	raw, err = d.JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".proof.json"), raw, 0o644))
}

// TestTable: figures by hand, on the images that both proofs have and on all of one.
func TestTable(t *testing.T) {
	folder := t.TempDir()
	into := filepath.Join(folder, "R.md")
	require.NoError(t, os.WriteFile(into, []byte("a\n"+begin+"\n"+end+"\nb\n"), 0o644))
	write(t, folder, "int8", 800, nil, [3]string{"1/2", "1/4", "1"}, [3]string{"1/5", "1", "1/2"}, [3]string{"", "", ""}, [3]string{"1", "1", "1"})
	write(t, folder, "qed", 100, nil, [3]string{"1/10", "1/4", "1/4"}, [3]string{"1/8", "1", "1/2"})
	require.NoError(t, refresh(folder, into, "2030-01-02", []string{"int8", "qed"}))
	text, err := os.ReadFile(into)
	require.NoError(t, err)
	assert.Equal(t, `| object | bytes of weights | images | right | light 0.1, 0.25 | darken 0.5 | times fewer multiply-adds |
| --- | --- | --- | --- | --- | --- | --- |
| int8 | 800 | 2 | 1.0000 | 0.2250; 1.000 0.500; 1 | 0.7500; 1.000; 0 |  |
| qed | 100 | 2 | 1.0000 | 0.1125; 1.000 0.000; 1 | 0.3750; 0.500; 0 | 12.5 |
| int8 | 800 | 4 | 0.7500 | 0.3625; 0.750 0.500; 1 | 0.6250; 0.750; 0 | 12.5 |
`, string(text)[strings.Index(string(text), "| object"):strings.Index(string(text), "\n"+end)])
	assert.Contains(t, string(text), "the first of 10 test images, which are drawn evenly with seed 0; 2030-01-02")
}

// TestOtherQuestions: proofs of other errors or images are not compared.
func TestOtherQuestions(t *testing.T) {
	folder := t.TempDir()
	into := filepath.Join(folder, "R.md")
	require.NoError(t, os.WriteFile(into, []byte(begin+"\n"+end), 0o644))
	one := [3]string{"1", "1", "1"}
	write(t, folder, "a", 1, nil, one)
	for want, change := range map[string]func(d *proof.Document){
		"other questions":      func(d *proof.Document) { d.Errors = "light=0.1;darken=0.5" },
		"is not that of a":     func(d *proof.Document) { d.Decided[0].SHA256 = "x" },
		"no image is decided":  func(d *proof.Document) { d.Decided = nil },
		"reads version 2":      func(d *proof.Document) { d.Version = 1 },
		"are proofs of other ": func(d *proof.Document) { d.Images = 11 },
	} {
		write(t, folder, "b", 1, change, one)
		assert.ErrorContains(t, refresh(folder, into, "", []string{"a", "b"}), want)
	}
	write(t, folder, "a", 1, func(d *proof.Document) { d.Errors = "patch=3" }, one)
	assert.ErrorContains(t, refresh(folder, into, "", []string{"a"}), "patch cannot be proved")
	write(t, folder, "a", 1, func(d *proof.Document) { d.Errors = "light" }, one)
	assert.ErrorContains(t, refresh(folder, into, "", []string{"a"}), "are not numbers")
}
