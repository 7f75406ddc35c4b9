
# `cargo xtask …` is completed as `xtask …`; for everything else PowerShell goes on as if this was not here.
Register-ArgumentCompleter -Native -CommandName 'cargo' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | ForEach-Object { $_.Extent.Text })
    $at = 1
    # A toolchain and cargo's own flags stand before its command.
    while ($at -lt $words.Count -and $words[$at] -match '^[+-]') { $at++ }
    if ($at -ge $words.Count -or $words[$at] -ne 'xtask') { return }
    $line = $words[$at..($words.Count - 1)] -join ' '
    $tree = [System.Management.Automation.Language.Parser]::ParseInput($line, [ref]$null, [ref]$null)
    $command = $tree.EndBlock.Statements[0].PipelineElements[0]
    & $global:XtaskCompleter $wordToComplete $command $line.Length
}
