package syntax

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func format(t *testing.T, src string) string {
	out, list := Format("x.dnn", []byte(src))
	require.NoError(t, list.Err())
	again, list := Format("x.dnn", out)
	require.NoError(t, list.Err(), "%s", out)
	require.Equal(t, string(out), string(again), "formatting twice")
	return string(out)
}

func TestFormat(t *testing.T) {
	got := format(t, `#  head  


tensors   "a.safetensors"   # the weights
data calibration   "c" test "t" 
network n( image:f32[1 , 28,28] in[0,1] ,b : f32[ 3 ] )->f32[10]{   # opens

    # first
  conv1=conv2d( image ,filters:20,
      kernel : [5,
      5], # five
      pad:-1 )   # behind
  # own line


  y=relu(max.pool(conv1)) : f32[10]  in [0,1] at 5

  const w:i8[ 2 , 3] scale w.scale zero -1
  return y,conv1
  # last

}
# end`)
	assert.Equal(t, `#  head

tensors "a.safetensors"  # the weights
data calibration "c" test "t"
network n(image: f32[1,28,28] in [0,1], b: f32[3]) -> f32[10] {  # opens
  # first
  # five
  conv1 = conv2d(image, filters: 20, kernel: [5,5], pad: -1)  # behind
  # own line

  y = relu(max.pool(conv1)) : f32[10] in [0,1] at 5

  const w: i8[2,3] scale w.scale zero -1
  return y, conv1
  # last
}
# end
`, got)
}

// TestShippedNetworksAreFormatted: the texts of testdata stand as Format writes
// them.
func TestShippedNetworksAreFormatted(t *testing.T) {
	list, err := filepath.Glob("../../testdata/*/*.dnn")
	require.NoError(t, err)
	require.NotEmpty(t, list)
	for _, path := range list {
		src, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(src), format(t, string(src)), path)
	}
}

func TestFormatLeavesWhatDoesNotParse(t *testing.T) {
	for _, src := range []string{"network n(", "x = ", "\"", "network n(x: f32[1]) -> f32[1] {\n y = relu(x,)\n}"} {
		_, list := Format("x.dnn", []byte(src))
		assert.NotEmpty(t, list, src)
	}
}

// FuzzFormat: what is formatted has the same statements and comments, and stays as
// it is when formatted again.
func FuzzFormat(f *testing.F) {
	list, _ := filepath.Glob("../../testdata/*/*.dnn")
	for _, path := range list {
		src, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(src)
	}
	f.Add([]byte("a=b(#c\nd)\n{#x\n}#y"))
	f.Fuzz(func(t *testing.T, src []byte) {
		out, errs := Format("x.dnn", src)
		if errs != nil {
			return
		}
		a, aComments := tokens(t, src)
		b, bComments := tokens(t, out)
		require.Equal(t, a, b, "%s", out)
		require.ElementsMatch(t, aComments, bComments, "%s", out)
		again, errs := Format("x.dnn", out)
		require.Empty(t, errs)
		require.Equal(t, string(out), string(again))
	})
}

// tokens are a source's statements as texts, and its comments.
func tokens(t *testing.T, src []byte) (statements [][]string, comments []string) {
	list, d := split("x.dnn", src)
	require.Nil(t, d)
	for _, s := range list {
		var words []string
		for _, w := range s {
			words = append(words, w.Value)
		}
		statements = append(statements, words)
	}
	lex, err := rules.LexString("x.dnn", string(src))
	require.NoError(t, err)
	for {
		w, err := lex.Next()
		require.NoError(t, err)
		if w.EOF() {
			return statements, comments
		}
		if w.Type == comment {
			comments = append(comments, strings.TrimRight(w.Value, " \t\r"))
		}
	}
}
