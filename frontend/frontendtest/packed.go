package frontendtest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A PackedCase is a folder of an archive of cases: a model beside what another program
// answers to it. Programs in testdata/peers make them.
type PackedCase struct {
	Name  string
	Files map[string][]byte // by their names in the folder
}

// Packed reads a tar.gz of folders, one or more, in the order of the archive.
func Packed(t testing.TB, file string) (list []PackedCase) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		raw, err := io.ReadAll(r)
		require.NoError(t, err)
		folder, name, _ := strings.Cut(path.Clean(h.Name), "/")
		if len(list) == 0 || list[len(list)-1].Name != folder {
			list = append(list, PackedCase{folder, map[string][]byte{}})
		}
		list[len(list)-1].Files[name] = raw
	}
	require.NotEmpty(t, list, file)
	return list
}

// Near holds numbers to expected ones: sums in another order differ by a share of 1e-4 of
// the greatest.
func Near(t *testing.T, want, got []float32, what string) {
	t.Helper()
	greatest := 1.
	for _, v := range want {
		if a := float64(v); a == a && a-a == 0 {
			greatest = max(greatest, a, -a)
		}
	}
	require.Len(t, got, len(want), what)
	for i, v := range want {
		if v != v {
			require.NotEqual(t, got[i], got[i], "%s: element %d is no number", what, i)
		} else if v != got[i] && !assert.InDelta(t, v, got[i], 1e-4*greatest, "%s: element %d", what, i) {
			return
		}
	}
}
