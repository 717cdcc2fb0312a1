# What Doxygen reads of the pages. Links to what is no page lead from build/docs to the file in the folder of the project,
# and `::read()` in a piece of code is no link.
s#\]\((\.\./)*((demo|src|tests|\.ci)(/[^):]*)?(/[^.):]*|\.cpp|\.h|\.qml)|LICENSE)\)#](../../\2)#g
s#`::#`#g
