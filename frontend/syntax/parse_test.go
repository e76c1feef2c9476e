package syntax

import (
	"bytes"
	"math/rand"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseLeNet(t *testing.T) {
	src, err := os.ReadFile("../../testdata/lenet5/lenet5.dnn")
	require.NoError(t, err)
	stmts, list := Parse("lenet5.dnn", src)
	require.Empty(t, list)
	require.Len(t, stmts, 11)
	n := stmts[2].(*Network)
	assert.Equal(t, "lenet5", n.Name)
	assert.Equal(t, []string{"1", "28", "28"}, n.Inputs[0].Type.Dims)
	a := stmts[4].(*Assign)
	assert.Equal(t, "relu", a.Expr.Call.Args[0].Value.Expr.Name)
	assert.Equal(t, 7, a.Pos.Line)
}

// TestErrors pairs a line with its complaint.
func TestErrors(t *testing.T) {
	for src, want := range map[string]string{
		"":                          "1:1: syntax: no network",
		"netwrk n() -> f32[1] {":    `did you mean "network"`,
		"x = conv2d(y":              "1:13: syntax: ",
		"x = conv2d(y,)":            "1:13: syntax: ",
		"x = ":                      "1:4: syntax: ",
		"a = b(c)\ny @ z\nq = r(s)": `2:3: syntax: unexpected character "@"`,
		"// what":                   "a comment begins with #",
		`tensors "a`:                "closing quote",
		"const c: f32[1,":           "1:15: syntax: ",
		"\x00\xff\xfe":              "unexpected character",
		"x = f(" + strings.Repeat("[", 100) + ")": "limit: brackets nested",
	} {
		_, list := Parse("f", []byte(src))
		require.NotEmpty(t, list, src)
		assert.Contains(t, list.Error(), want, src)
	}
}

func TestSeveralErrorsInOneGo(t *testing.T) {
	stmts, list := Parse("f", []byte("a = (\n)\nb = c(d)\n? = 3\nreturn ,"))
	assert.Len(t, list, 3)
	require.Len(t, stmts, 4)
	assert.IsType(t, &Assign{}, stmts[1])
	assert.Equal(t, []Stmt{&Broken{Name: "a"}, &Broken{}, &Broken{Keyword: "return"}}, []Stmt{stmts[0], stmts[2], stmts[3]})
}

func TestHostileSourcesEnd(t *testing.T) {
	noise := make([]byte, MaxBytes)
	rand.New(rand.NewSource(1)).Read(noise)
	for _, src := range [][]byte{bytes.Repeat([]byte("["), 10<<20), bytes.Repeat([]byte("{"), MaxBytes), bytes.Repeat([]byte("("), MaxBytes), noise} {
		_, list := Parse("f", src)
		assert.NotEmpty(t, list)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a = b(c: [1, 2], d(e)) : i8[1] scale 0.5 zero -3 at 7", "dnn 1 after memory target armv7", "network n(x: f32[1] in [0,1]) -> f32[1] {\n}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		stmts, list := Parse("f", src)
		if len(stmts) == 0 && len(list) == 0 {
			t.Fatal("neither statements nor errors")
		}
		for _, d := range list {
			if d.Pos.Line < 1 || d.Pos.Col < 1 {
				t.Fatalf("no position: %v", d)
			}
		}
	})
}
