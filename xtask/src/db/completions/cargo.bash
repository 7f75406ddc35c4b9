
# `cargo xtask …` is completed as `xtask …`; everything else is left to whatever completed cargo before.

# Takes cargo's place in the table of completions, and remembers who had it.
_xtask_cargo_register() {
    local specification function
    specification=$(complete -p cargo 2>/dev/null)
    if [[ -z $specification ]]; then
        complete -o bashdefault -o default -F _xtask_cargo cargo
    elif [[ $specification =~ \ -F\ ([^\ ]+)\  ]]; then
        function=${BASH_REMATCH[1]}
        if [[ $function != _xtask_cargo ]]; then
            _xtask_cargo_before=$function
            eval "${specification/ -F $function / -F _xtask_cargo }"
        fi
    fi
}

# bash-completion loads a command's completion when it is first asked for, and no longer asks where there is one.
_xtask_cargo_load() {
    [[ -n ${_xtask_cargo_loaded-} || -n ${_xtask_cargo_before-} ]] && return
    _xtask_cargo_loaded=1
    if declare -F _comp_load >/dev/null; then
        _comp_load cargo
    elif declare -F _completion_loader >/dev/null; then
        _completion_loader cargo
    fi >/dev/null 2>&1
    _xtask_cargo_register
}

_xtask_cargo() {
    local at=1
    # A toolchain and cargo's own flags stand before its command.
    while [[ ${COMP_WORDS[at]} == [+-]* && at -lt COMP_CWORD ]]; do ((at++)); done
    if [[ ${COMP_WORDS[at]} == xtask && at -lt COMP_CWORD ]]; then
        local COMP_WORDS=("${COMP_WORDS[@]:at}") COMP_CWORD=$((COMP_CWORD - at))
        _xtask xtask "$2" "$3"
        return
    fi
    _xtask_cargo_load
    if [[ -n ${_xtask_cargo_before-} ]]; then
        "$_xtask_cargo_before" "$@"
    elif [[ $at -eq COMP_CWORD && xtask == "$2"* ]]; then
        COMPREPLY=(xtask)
    fi
}

_xtask_cargo_register
