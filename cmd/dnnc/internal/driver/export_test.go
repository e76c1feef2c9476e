package driver

import "github.com/dnnc/dnnc"

// Config is what the compiler gets of options.
func Config(o *Options) (dnnc.Config, error) { return o.config() }
