# Installs {{name}} {{version}}, compiled for this machine by {{server}}:
#
#     irm '{{server}}/-/install.ps1{{target}}' | iex
#
# It goes to $env:GOX_BIN, else to a folder of your own that is put on your PATH. Its SHA-256 is compared with what the server
# says. No administrator, and nothing else is touched.

# Says what was lost, if the connection was.
function Get-FromServer($url, $file, $name) {
    # Failures are told in parts (RFC 9457).
    $headers = @{ Accept = 'application/octet-stream, application/problem+json' }
    for ($try = 1; ; $try++) {
        try {
            Invoke-WebRequest -UseBasicParsing -Headers $headers -Uri $url -OutFile $file
            return
        } catch {
            $answer = $_.Exception.Response
            if (-not $answer) { return $_.Exception.Message }
            # 503: it still compiles.
            if ([int]$answer.StatusCode -eq 503 -and $try -lt 90) {
                Write-Host 'It is not ready yet. Asking again in 10 seconds.'
                Start-Sleep -Seconds 10
                continue
            }
            $problem = $null
            try { $problem = $_.ErrorDetails.Message | ConvertFrom-Json } catch { }
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

    if (-not $file) { $file = "$name.exe" }
    $wishes = @($query -split '&' | Where-Object { $_ })
    if (-not ($wishes -like 'os=*')) { $wishes += 'os=windows' }
    if (-not ($wishes -like 'arch=*')) {
        $arch = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
        $arch = switch ($arch) {
            'AMD64' { 'amd64' }
            'ARM64' { 'arm64' }
            'x86' { '386' }
            default { throw "No Go for $arch." }
        }
        $wishes += "arch=$arch"
    }
    $query = $wishes -join '&'

    $bin = if ($env:GOX_BIN) { $env:GOX_BIN } else { Join-Path $env:LOCALAPPDATA 'Programs\gox' }
    New-Item -ItemType Directory -Force -Path $bin | Out-Null
    $file = Join-Path $bin $file
    if (Test-Path -PathType Container $file) { throw "$name was not installed: $file is a folder." }
    $new = "$file.new"

    # {{notices}}
    Write-Host "Asking $server for $name {{version}} for $query. If nobody has asked before, it is compiled now."
    try {
        $lost = Get-FromServer "${url}?$query" $new $name
        # Where a build failed after its answer had begun, this says why.
        $lost = @($lost, (Get-FromServer "${url}.sha256?$query" "$new.sha256" $name)) | Where-Object { $_ }
        if ($lost) { throw "$name was not installed: $($lost -join "`n")" }
        $told = (Get-Content -Raw "$new.sha256").Split(' ')[0]
        $got = (Get-FileHash -Algorithm SHA256 $new).Hash.ToLowerInvariant()
        if ($got -ne $told) { throw "$name was not installed: its SHA-256 is $got, and the server says $told." }
        Write-Host "SHA-256 $got, as the server says."
        Move-Item -Force $new $file
    } finally {
        foreach ($left in @($new, "$new.sha256")) { if (Test-Path $left) { Remove-Item $left } }
    }
    Write-Host "Installed $file"
    try {
        $known = "$((Invoke-WebRequest -UseBasicParsing -Method Head -Uri "${url}.sha256?$query").Headers['Gox-Vulnerabilities'])"
        if ($known -match '^([1-9][0-9]*); db=(.*)$') {
            Write-Host "Known vulnerabilities in what is linked: $($Matches[1]) (database of $($Matches[2])). ${url}.json?$query names them."
        }
    } catch { }

    # As it is written there, for the variables in it have to stay variables.
    $key = [Microsoft.Win32.Registry]::CurrentUser.OpenSubKey('Environment', $true)
    $path = $key.GetValue('Path', '', 'DoNotExpandEnvironmentNames')
    $folders = $path -split ';' | ForEach-Object { [Environment]::ExpandEnvironmentVariables($_) }
    if ($folders -notcontains $bin) {
        $key.SetValue('Path', "$path;$bin".TrimStart(';'), 'ExpandString')
        # Removes nothing, and tells all windows that something has changed (WM_SETTINGCHANGE), which the registry does not.
        [Environment]::SetEnvironmentVariable('gox-server', [NullString]::Value, 'User')
        Write-Host "$bin is on your PATH now: open a new terminal."
    }
}

# At the end: a script that was cut on its way does nothing.
Install-GoProgram
