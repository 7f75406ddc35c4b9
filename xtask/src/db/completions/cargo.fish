
# `cargo xtask …` is completed as `xtask …`, beside what completes the rest of cargo.
function __fish_xtask_of_cargo
    set -l words (commandline -opc)
    set -l at (contains -i -- xtask $words)
    or return
    set -l line (string escape -- $words[$at..-1])
    complete -C "$line "(commandline -ct)
end
complete -c cargo -n '__fish_seen_subcommand_from xtask' -f -a '(__fish_xtask_of_cargo)'
