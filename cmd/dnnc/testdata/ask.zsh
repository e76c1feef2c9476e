# What zsh makes of a beginning and a tab: the line goes to a function of dnnc's name.
# The folder has .zshrc and the completion _dnnc.
zmodload zsh/zpty
zpty session "ZDOTDIR=$PWD TERM=dumb exec zsh -i"
drain() { local s; repeat $1; do zpty -r -t session s; sleep 0.02; done }
drain 10
zpty -w -n session "dnnc $1"$'\t\n'
repeat 500; do drain 1; [[ -s got ]] && break; done
zpty -d session
cat got
