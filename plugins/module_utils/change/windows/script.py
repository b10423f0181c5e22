# Copyright (c) 2026, holdfast.firewall contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Windows host runs by itself while a change is pending: scripts for cmd.exe, and tasks for its Task Scheduler.

Pure: builds text. A digit in front of ``>`` would be the number of a stream, so the redirection always comes first. A script that removes
its own folder does so in one line that ends it, since cmd.exe opens the script again for each line. A virus scanner may hold a file of the
folder; ``change.json`` goes first, without which what is left of one is never taken for a pending change.
"""

from __future__ import annotations

import typing as t

from ...policy.errors import HoldfastError

#: Everything of ours on the target. No path below it has a blank.
ROOT = "C:\\ProgramData\\holdfast"
#: The one change that is pending, and what is left of the last one that was rolled back.
PENDING, LAST = ROOT + "\\pending", ROOT + "\\last-rollback"

_APPLY = """\
@echo off
rem Puts change @ID@ in force, a moment after the task that began it has gone. Written by holdfast.firewall.
setlocal
set "DIR=@DIR@"
ping -n 2 127.0.0.1 >nul
if not exist "%DIR%\\armed" exit /b 1
>"%DIR%\\applying" echo @ID@
@COMMANDS@
>"%DIR%\\applied.new" echo @ID@
ren "%DIR%\\applied.new" applied
exit /b 0
:refused
>"%DIR%\\refused" echo @ID@
schtasks /run /tn @ROLLBACK@ >nul
exit /b 1
"""

_RESTORE = """\
@echo off
rem Puts the firewall rules from before change @ID@ back. Written and armed by holdfast.firewall; removed when the change is confirmed.
setlocal
set "DIR=@DIR@"
set "LAST=@LAST@"
if not "%~1"=="@ID@" exit /b 0
if not exist "%DIR%\\change.json" exit /b 0
set TRIES=0

rem One rename decides who acts: the confirmation or this script. A confirmation that does not end within 20 seconds has died.
rem A task runs once at a time, so a restore that is there already has died with the power of the host, and is done again.
:claim
ren "%DIR%\\armed" restoring 2>nul
if exist "%DIR%\\restoring" goto claimed
if not exist "%DIR%\\confirming" exit /b 0
set /a TRIES+=1
if %TRIES% lss 20 goto wait
ren "%DIR%\\confirming" restoring 2>nul
if exist "%DIR%\\restoring" goto claimed
exit /b 0
:wait
ping -n 2 127.0.0.1 >nul
goto claim

:claimed
rem What is still putting the change in force must not do so after the old rules are back. The end of a task is that of its cmd.exe alone.
schtasks /end /tn @APPLY@ >nul 2>nul
if exist "%DIR%\\applying" if not exist "%DIR%\\applied" @STOP@ >nul 2>nul
set TRIES=0

rem Early after a boot the firewall's service may not answer yet.
:import
set STATUS=0
call "%DIR%\\rules.cmd" >>"%DIR%\\log" 2>&1
if errorlevel 1 set STATUS=1
if "%STATUS%"=="0" goto restored
set /a TRIES+=1
if %TRIES% geq 10 goto restored
ping -n 4 127.0.0.1 >nul
goto import

:restored
if not exist "%LAST%" mkdir "%LAST%"
del /q "%LAST%\\*" >nul 2>nul
copy /y "%DIR%\\change.json" "%LAST%" >nul
if exist "%DIR%\\log" copy /y "%DIR%\\log" "%LAST%" >nul
if exist "%DIR%\\refused" copy /y "%DIR%\\refused" "%LAST%" >nul
if not "%STATUS%"=="0" copy /y "%DIR%\\before.wfw" "%LAST%" >nul
>"%LAST%\\restored" echo @ID@ %STATUS%
del /q "%DIR%\\change.json" >nul 2>nul & rmdir /s /q "%DIR%" & @FORGET@ & exit %STATUS%
"""

#: Ends what runs a script of ours: the scheduler ends a task with TerminateProcess (AllowHardTerminate of its settings), which is for one
#: process, so a program that its script called goes on. The time limit is for a host whose WMI does not answer.
STOP = (
    'powershell.exe -NoProfile -NonInteractive -Command "Get-CimInstance Win32_Process -OperationTimeoutSec 15 | Where-Object '
    "{ $_.ProcessId -ne $PID -and $_.Name -in 'netsh.exe','powershell.exe' -and $_.CommandLine -like '* %s\\rules*' } "
    '| Invoke-CimMethod -MethodName Terminate"' % ROOT
)

_TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>@DESCRIPTION@</Description></RegistrationInfo>
  <Triggers>@TRIGGERS@</Triggers>
  <Principals>
    <Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>true</WakeToRun>
    <ExecutionTimeLimit>PT1H</ExecutionTimeLimit>
    <Priority>4</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>cmd.exe</Command><Arguments>/d /c @SCRIPT@</Arguments></Exec>
  </Actions>
</Task>
"""


def rollback_task(identity: str) -> str:
    """Return the name of the scheduled task that restores the old rules."""
    return "holdfast-rollback-%s" % identity


def apply_task(identity: str) -> str:
    """Return the name of the scheduled task that puts the change in force."""
    return "holdfast-apply-%s" % identity


def apply_script(identity: str, commands: t.Iterable[t.Sequence[str]]) -> str:
    """Return the script that runs the commands and notes how that ended; it begins a second after it was started.

    :raises HoldfastError: for a command that cannot be written so that cmd.exe runs just that.
    """
    lines = ['%s <nul >>"%%DIR%%\\log" 2>&1\nif errorlevel 1 goto refused' % batch_line(argv) for argv in commands]
    return _filled(_APPLY, identity, {"@COMMANDS@": "\n".join(lines)})


def restore_script(identity: str) -> str:
    """Return the script that calls ``rules.cmd`` (the backend's) beside it and leaves an account of it in ``LAST``."""
    return _filled(_RESTORE, identity, {})


def rules_script(script: str) -> str:
    """Return the backend's own script with the folder that it expects."""
    return '@echo off\nsetlocal\nset "DIR=%s"\n%s\n' % (PENDING, script.strip("\n"))


def rollback_definition(identity: str, deadline: str, seconds: int) -> str:
    """Return the task that restores the old rules at its time and at a boot.

    :param deadline: that moment in UTC by the clock of the host, as ``2026-11-21T18:40:12``. ``schtasks /sc once`` would want the date in
        the order of the display language, and whole minutes.
    :param seconds: the same as a duration, for a clock that is put back meanwhile.
    """
    triggers = (
        "<TimeTrigger><StartBoundary>%sZ</StartBoundary><Enabled>true</Enabled></TimeTrigger>"
        "<RegistrationTrigger><Enabled>true</Enabled><Delay>PT%dS</Delay></RegistrationTrigger>"
        "<BootTrigger><Enabled>true</Enabled></BootTrigger>" % (deadline, seconds)
    )
    what = "Puts the firewall rules from before change %s back" % identity
    return _definition(what, triggers, "%s\\restore.cmd %s" % (PENDING, identity))


def apply_definition(identity: str) -> str:
    """Return the task that puts the change in force when it is told to."""
    return _definition("Puts change %s of the firewall rules in force" % identity, "", "%s\\apply.cmd" % PENDING)


def batch_line(argv: t.Sequence[str]) -> str:
    """Return a command as a line of a script for cmd.exe.

    :raises HoldfastError: where that cannot be done for certain; text of people goes into files, never on a line.
    """
    words = []
    for word in argv:
        if not word or not word.isascii() or not word.isprintable() or any(c in word for c in "\"%!^&|<>'`") or word.endswith("\\"):
            raise HoldfastError("This cannot be put on a command line of Windows: %s" % word)
        words.append(word if all(c.isalnum() or c in "-_./\\:=" for c in word) else '"%s"' % word)
    return " ".join(words)


def _definition(description: str, triggers: str, script: str) -> str:
    return _TASK.replace("@DESCRIPTION@", description).replace("@TRIGGERS@", triggers).replace("@SCRIPT@", script)


def _filled(text: str, identity: str, words: t.Mapping[str, str]) -> str:
    known = {
        "@ID@": identity, "@DIR@": PENDING, "@LAST@": LAST, "@APPLY@": apply_task(identity), "@ROLLBACK@": rollback_task(identity),
        "@STOP@": STOP,
        "@FORGET@": "schtasks /delete /f /tn %s >nul 2>nul & schtasks /delete /f /tn %s >nul 2>nul"
        % (apply_task(identity), rollback_task(identity)),
    }  # fmt: skip
    for mark, word in {**known, **words}.items():
        text = text.replace(mark, word)
    return text
