# Installs {{name}} {{version}}, compiled for this machine by {{server}}:
#
#     irm {{server}}/-/install.ps1{{target}} | iex
#
# It goes to $env:GOX_BIN, else to a folder of your own that is put on your PATH. Its SHA-256 is compared with what the server
# says. No administrator, and nothing else is touched.

function Install-GoProgram {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    $server = '{{server}}'
    $url = '{{server}}{{exact}}'
    $name = '{{name}}'

    $arch = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
    $arch = switch ($arch) {
        'AMD64' { 'amd64' }
        'ARM64' { 'arm64' }
        'x86' { '386' }
        default { throw "No Go for $arch." }
    }
    $query = "os=windows&arch=$arch"

    $bin = if ($env:GOX_BIN) { $env:GOX_BIN } else { Join-Path $env:LOCALAPPDATA 'Programs\gox' }
    New-Item -ItemType Directory -Force -Path $bin | Out-Null
    $file = Join-Path $bin "$name.exe"
    $new = "$file.new"

    Write-Host "Asking $server for $name {{version}} for windows/$arch. If nobody has asked before, it is compiled now."
    try {
        for ($try = 1; ; $try++) {
            try {
                Invoke-WebRequest -UseBasicParsing -Uri "${url}?$query" -OutFile $new
                break
            } catch {
                $status = $_.Exception.Response.StatusCode.value__
                # 503: it still compiles.
                if ($status -ne 503 -or $try -ge 60) { throw }
                Start-Sleep -Seconds 10
            }
        }
        $sums = (Invoke-WebRequest -UseBasicParsing -Uri "${url}.sha256?$query").Content
        if ($sums -is [byte[]]) { $sums = [Text.Encoding]::ASCII.GetString($sums) }
        $told = $sums.Split(' ')[0]
        $got = (Get-FileHash -Algorithm SHA256 $new).Hash.ToLowerInvariant()
        if ($got -ne $told) { throw "$name was not installed: its SHA-256 is $got, and the server says $told." }
        Write-Host "SHA-256 $got, as the server says."
        Move-Item -Force $new $file
    } finally {
        if (Test-Path $new) { Remove-Item $new }
    }
    Write-Host "Installed $file"

    $path = [Environment]::GetEnvironmentVariable('Path', 'User')
    if (($path -split ';') -notcontains $bin) {
        [Environment]::SetEnvironmentVariable('Path', "$path;$bin", 'User')
        Write-Host "$bin is on your PATH now: open a new terminal."
    }
}

# At the end: a script that was cut on its way does nothing.
Install-GoProgram
