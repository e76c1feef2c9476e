// Command closed prints whether its standard output was closed.
package main

import (
	"fmt"
	"os"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
)

func main() { fmt.Fprint(os.Stderr, terminal.Closed(), " ", os.Args[1:]) }
