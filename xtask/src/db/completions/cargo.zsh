
# cargo's own completion calls a function of this name for a command that it does not know, with the words from `xtask` on.
_cargo-xtask() { _xtask "$@" }

# Where cargo has no completion.
_xtask_cargo() {
    local at=2
    # A toolchain and cargo's own flags stand before its command.
    while [[ $words[at] == [+-]* ]] && (( at < CURRENT )); do (( at++ )); done
    if [[ $words[at] == xtask ]] && (( at < CURRENT )); then
        words=("${(@)words[at,-1]}")
        (( CURRENT -= at - 1 ))
        _xtask "$@"
    elif (( at == CURRENT )); then
        _alternative 'commands:cargo command:(xtask)' 'files:file:_files'
    else
        _default
    fi
}
(( $+_comps[cargo] )) || compdef _xtask_cargo cargo
