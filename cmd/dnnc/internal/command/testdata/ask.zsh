# What zsh makes of beginnings and a tab each: the line goes to a function of dnnc's
# name. The folder has .zshrc and the completion _dnnc.
zmodload zsh/zpty
zpty session "ZDOTDIR=$PWD TERM=dumb exec zsh -i"
drain() { local s; repeat $1; do zpty -r -t session s; sleep 0.02; done }
drain 10
for line; do
  zpty -w -n session "dnnc $line"$'\t\n'
  repeat 1000; do drain 1; [[ -s got ]] && break; done
  cat got
  rm got
done
zpty -d session
