# Installs krew-wasm @VERSION@ for this user, or removes it:
#
#   irm @DOWNLOADS@/install.ps1 | iex
#   & ([scriptblock]::Create((irm @DOWNLOADS@/install.ps1))) -Uninstall
#
# KREW_WASM_DOWNLOADS is another place of the archive. Its digest is in this file.
param(
  [string] $Directory = "$env:LOCALAPPDATA\Programs\krew-wasm",
  [switch] $Uninstall
)
$ErrorActionPreference = 'Stop'

function Set-UserPath([string[]] $Parts) {
  [Environment]::SetEnvironmentVariable('Path', ($Parts -join ';'), 'User')
}

$parts = @([Environment]::GetEnvironmentVariable('Path', 'User') -split ';' | Where-Object { $_ -and $_ -ne $Directory })
if ($Uninstall) {
  if (-not (Test-Path "$Directory\krew-wasm.exe")) { throw "There is no krew-wasm in $Directory" }
  Remove-Item "$Directory\krew-wasm.exe", "$Directory\kubectl-wasm.exe" -ErrorAction SilentlyContinue
  Set-UserPath $parts
  Write-Output "Removed krew-wasm from $Directory. Your plugins are still in $env:USERPROFILE\.krew-wasm"
  return
}

$name = 'krew-wasm-@VERSION@-windows-x64'
$expected = '@WINDOWS_SHA256@'
$downloads = if ($env:KREW_WASM_DOWNLOADS) { $env:KREW_WASM_DOWNLOADS } else { '@DOWNLOADS@' }
$work = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
New-Item -ItemType Directory $work | Out-Null
try {
  [Net.ServicePointManager]::SecurityProtocol = 'Tls12'
  Invoke-WebRequest -UseBasicParsing "$downloads/$name.zip" -OutFile "$work\archive.zip"
  $found = (Get-FileHash -Algorithm SHA256 "$work\archive.zip").Hash.ToLower()
  if ($found -ne $expected) { throw "$downloads/$name.zip is not what was released: its SHA-256 is $found, not $expected" }
  Expand-Archive "$work\archive.zip" -DestinationPath $work
  New-Item -ItemType Directory -Force $Directory | Out-Null
  Copy-Item -Force "$work\$name\krew-wasm.exe" "$Directory\krew-wasm.exe"
  # kubectl finds the manager by this name. Windows lets only administrators make symbolic links.
  Remove-Item "$Directory\kubectl-wasm.exe" -ErrorAction SilentlyContinue
  New-Item -ItemType HardLink -Path "$Directory\kubectl-wasm.exe" -Target "$Directory\krew-wasm.exe" | Out-Null
} finally {
  Remove-Item -Recurse -Force $work
}
Set-UserPath (@($Directory) + $parts)
$env:Path = "$Directory;$env:Path"
& "$Directory\krew-wasm.exe" version
Write-Output "Installed krew-wasm @VERSION@ to $Directory. It is on the PATH of new terminals."
