@echo off
rem What webui-user.bat of A1111 calls, and what a double click starts: launch.py does all the rest.
setlocal
set WEBUI_PYTHON=python
if defined PYTHON set WEBUI_PYTHON=%PYTHON:"=%
"%WEBUI_PYTHON%" "%~dp0launch.py" %*
if errorlevel 1 pause
