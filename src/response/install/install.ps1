# Installs {{name}} {{version}}, compiled for this machine by {{server}}:
#
#     irm '{{server}}/-/install.ps1{{target}}' | iex
#
# The folder is $env:GOX_BIN if that is set; otherwise one below your LOCALAPPDATA. The script adds the folder to your PATH and
# checks the SHA-256 of the program. It needs no administrator and changes nothing else.

# Downloads to a file. Returns a message if the connection failed, and throws the server's error.
function Get-FromServer($url, $file, $name) {
    # Requests errors as problem details (RFC 9457).
    $headers = @{ Accept = 'application/octet-stream, application/problem+json' }
    for ($try = 1; ; $try++) {
        try {
            Invoke-WebRequest -UseBasicParsing -Headers $headers -Uri $url -OutFile $file
            return
        } catch {
            $response = $_.Exception.Response
            if (-not $response) { return $_.Exception.Message }
            $problem = $null
            try { $problem = $_.ErrorDetails.Message | ConvertFrom-Json } catch { }
            # The program waits or is built, or a proxy responded.
            $waits = -not $problem.reason -or $problem.reason -in 'still-building', 'queue-full'
            if ([int]$response.StatusCode -eq 503 -and $waits -and $try -lt 90) {
                Write-Host 'The program is not ready yet. Retrying in 10 seconds.'
                Start-Sleep -Seconds 10
                continue
            }
            if (-not $problem) { throw "$name was not installed: $($_.Exception.Message)" }
            $words = @($problem.title, $problem.detail, $problem.advice) + $problem.instead
            throw "$name was not installed: $(($words | Where-Object { $_ }) -join "`n")"
        }
    }
}

function Install-GoProgram {
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    $server = '{{server}}'
    $url = '{{server}}{{exact}}'
    $query = '{{query}}'
    $file = '{{file}}'
    $name = '{{name}}'

    if ($env:OS -ne 'Windows_NT') {
        throw "$name was not installed: this script is for Windows. On this system, run: curl -sS '$server/-/install{{target}}' | sh"
    }
    if (-not $file) { $file = "$name.exe" }
    $options = @($query -split '&' | Where-Object { $_ })
    if (-not ($options -like 'os=*')) { $options += 'os=windows' }
    if (-not ($options -like 'arch=*')) {
        $arch = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
        $arch = switch ($arch) {
            'AMD64' { 'amd64' }
            'ARM64' { 'arm64' }
            'x86' { '386' }
            default { throw "$name was not installed: Go does not support the architecture $arch." }
        }
        $options += "arch=$arch"
    }
    $query = $options -join '&'

    $bin = if ($env:GOX_BIN) { $env:GOX_BIN } else { Join-Path $env:LOCALAPPDATA 'Programs\gox' }
    New-Item -ItemType Directory -Force -Path $bin | Out-Null
    $file = Join-Path $bin $file
    if (Test-Path -PathType Container $file) { throw "$name was not installed: $file is a folder." }
    $new = "$file.new"

    # {{notices}}
    Write-Host "Requesting $name {{version}} for $query from $server. If it is not built yet, it is compiled now."
    try {
        $failures = Get-FromServer "${url}?$query" $new $name
        # If the build failed after the response had started, this request reports the error.
        $failures = @($failures, (Get-FromServer "${url}.sha256?$query" "$new.sha256" $name)) | Where-Object { $_ }
        if ($failures) { throw "$name was not installed: $($failures -join "`n")" }
        $expected = (Get-Content -Raw "$new.sha256").Split(' ')[0]
        $actual = (Get-FileHash -Algorithm SHA256 $new).Hash.ToLowerInvariant()
        if ($actual -ne $expected) { throw "$name was not installed: the SHA-256 is $actual, but the server sent $expected." }
        Write-Host "The SHA-256 matches: $actual"
        Move-Item -Force $new $file
    } finally {
        foreach ($left in @($new, "$new.sha256")) { if (Test-Path $left) { Remove-Item $left } }
    }
    Write-Host "Installed $file"
    try {
        $headers = (Invoke-WebRequest -UseBasicParsing -Method Head -Uri "${url}.sha256?$query").Headers
        if ($headers['Gox-Without-Cgo']) { Write-Host "Compiled without cgo, so without a part of $($headers['Gox-Without-Cgo'])." }
        $header = "$($headers['Gox-Vulnerabilities'])"
        if ($header -match '^([1-9][0-9]*); db=(.*)$') {
            Write-Host "The program has known vulnerabilities: $($Matches[1]) (database of $($Matches[2])). For details, see ${url}.json?$query"
        }
    } catch { }

    # Reads PATH without expansion, so that the variables in it are kept.
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    $path = $key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
    $folders = $path -split ';' | ForEach-Object { [Environment]::ExpandEnvironmentVariables($_) }
    if ($folders -notcontains $bin) {
        $key.SetValue('Path', "$path;$bin".TrimStart(';'), 'ExpandString')
        # Removes a variable that does not exist. Its purpose is the broadcast of WM_SETTINGCHANGE, which a write to the registry
        # does not cause.
        [Environment]::SetEnvironmentVariable('gox-server', [NullString]::Value, 'User')
        Write-Host "$bin is now on your PATH. Open a new terminal to use it."
    }
}

# The call is the last line, so that a truncated script does nothing.
Install-GoProgram
