package command

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/dnnc/dnnc/runtime/input"
)

// The most of what response files may hold.
const (
	responseDepth = 8
	responseBytes = 1 << 20
)

// expanded replaces each argument @file by the arguments in the file, as C compilers
// do: apart by spaces, in quotes where they hold some, \ before any character that
// is meant as it is; a file may name others. The files are returned, too.
func expanded(args []string) (out, files []string, err error) {
	out, err = expandedAt(args, responseDepth, &files)
	return out, files, err
}

func expandedAt(args []string, depth int, files *[]string) ([]string, error) {
	var out []string
	for _, a := range args {
		path, is := strings.CutPrefix(a, "@")
		if !is {
			out = append(out, a)
			continue
		}
		if depth == 0 {
			return nil, fmt.Errorf("dnnc: response files nested more than %d deep, at %s", responseDepth, a)
		}
		raw, err := input.Read(path, responseBytes)
		if err != nil {
			return nil, fmt.Errorf("dnnc: %w", err)
		}
		*files = append(*files, path)
		words, err := words(string(raw))
		if err != nil {
			return nil, fmt.Errorf("dnnc: %s: %w", path, err)
		}
		more, err := expandedAt(words, depth-1, files)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func words(text string) ([]string, error) {
	var out []string
	var word strings.Builder
	var quote rune
	inside, escape := false, false // of a word; after a backslash
	for _, r := range text {
		switch {
		case escape:
			word.WriteRune(r)
			escape = false
		case r == '\\' && quote != '\'':
			inside, escape = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			inside, quote = true, r
		case unicode.IsSpace(r):
			if inside {
				out = append(out, word.String())
				word.Reset()
				inside = false
			}
		default:
			inside = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c that is not closed", quote)
	}
	if inside {
		out = append(out, word.String())
	}
	return out, nil
}
