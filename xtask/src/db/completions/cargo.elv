
# `cargo xtask …` is completed as `xtask …`; everything else is left to whatever completed cargo before.
var xtask-cargo-before = $nil
if (has-key $edit:completion:arg-completer cargo) {
    set xtask-cargo-before = $edit:completion:arg-completer[cargo]
}
set edit:completion:arg-completer[cargo] = {|@words|
    if (and (> (count $words) 2) (eq $words[1] xtask)) {
        $edit:completion:arg-completer[xtask] (all $words[1..])
    } elif (not-eq $xtask-cargo-before $nil) {
        $xtask-cargo-before $@words
    } else {
        edit:complete-filename $words[-1]
    }
}
