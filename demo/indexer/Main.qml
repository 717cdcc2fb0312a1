// SPDX-License-Identifier: MIT
import QtQuick
import QtQuick.Controls
import QtQuick.Dialogs
import QtQuick.Layouts
import GoProcess.Controls

ApplicationWindow {
    id: root

    required property QtObject session

    readonly property int gap: 12
    readonly property bool hasFailed: session.failure.length > 0
    // What the screen has room for, less some for the window's frame and the desktop's panels.
    readonly property real roomX: Math.min(Screen.width, Screen.desktopAvailableWidth) * 0.96
    readonly property real roomY: Math.min(Screen.height, Screen.desktopAvailableHeight) * 0.9

    function choose(folder) {
        session.choose(folder);
        pattern.forceActiveFocus();
    }

    function find() {
        pattern.forceActiveFocus();
        pattern.selectAll();
    }

    /// A key may be faster than the next picture, and until that the list has no current row.
    function goToResults() {
        results.forceLayout();
        results.forceActiveFocus();
    }

    width: Math.min(1080, roomX)
    height: Math.min(680, roomY)
    minimumWidth: Math.min(720, roomX)
    minimumHeight: Math.min(420, roomY)
    visible: true
    LayoutMirroring.enabled: Application.layoutDirection === Qt.RightToLeft
    LayoutMirroring.childrenInherit: true
    title: qsTr("%1 – Indexer").arg(session.folder)

    // The window stays until everything is closed; the program ends then.
    onClosing: close => {
        close.accepted = false;
        session.end();
    }

    Shortcut {
        sequences: [StandardKey.Find]
        enabled: !root.session.isEnding
        onActivated: root.find()
    }
    Shortcut {
        sequence: "Ctrl+Q" // also where the desktop has no standard key for it
        onActivated: root.session.end()
    }

    FolderDialog {
        id: folderDialog

        title: qsTr("Folder to index")
        onAccepted: root.session.chooseUrl(selectedFolder)
    }

    header: ToolBar {
        horizontalPadding: root.gap
        topPadding: root.gap * 0.6
        bottomPadding: topPadding

        RowLayout {
            anchors.fill: parent
            spacing: root.gap

            Label {
                text: qsTr("Folder")
            }
            TextField {
                id: folder

                objectName: "folder"
                text: root.session.folder
                selectByMouse: true
                Accessible.name: qsTr("Folder to index")
                Layout.fillWidth: true
                onAccepted: root.choose(text)
                Keys.onEscapePressed: {
                    text = root.session.folder;
                    pattern.forceActiveFocus();
                }

                // What was typed and not chosen goes with the next run.
                Connections {
                    target: root.session
                    function onRunChanged() { folder.text = root.session.folder; }
                }
            }
            Button {
                text: qsTr("Choose…")
                onClicked: folderDialog.open()
            }
        }
    }

    // What the user has to know before all else.
    Pane {
        id: failure

        objectName: "failure"
        anchors {
            top: parent.top
            left: parent.left
            right: parent.right
            margins: root.gap
        }
        visible: root.hasFailed
        height: visible ? implicitHeight : 0
        padding: root.gap
        background: Rectangle {
            color: Qt.alpha("#d0342c", 0.14)
            border.color: "#d0342c"
            radius: 4
        }
        Accessible.role: Accessible.AlertMessage
        Accessible.name: failureText.text

        RowLayout {
            anchors.fill: parent
            spacing: root.gap

            Rectangle {
                implicitWidth: 28
                implicitHeight: 28
                radius: 14
                color: "#d0342c"

                Label {
                    anchors.centerIn: parent
                    text: "!"
                    font.bold: true
                    color: "white"
                }
            }
            ColumnLayout {
                spacing: 2

                Label {
                    text: qsTr("Nothing is being indexed")
                    font.bold: true
                    elide: Text.ElideRight
                    Layout.fillWidth: true
                }
                Label {
                    id: failureText

                    objectName: "failureText"
                    text: root.session.failure
                    wrapMode: Text.Wrap
                    Layout.fillWidth: true
                }
            }
            Button {
                objectName: "tryAgain"
                text: qsTr("Try again")
                onClicked: root.session.tryAgain()
            }
            Button {
                text: qsTr("Another folder…")
                onClicked: folderDialog.open()
            }
        }
    }

    SplitView {
        id: split

        anchors {
            top: failure.bottom
            left: parent.left
            right: parent.right
            bottom: parent.bottom
            margins: root.gap
            topMargin: root.hasFailed ? root.gap : 0
        }
        // One above the other where there is no room for both side by side.
        orientation: root.width < 880 ? Qt.Vertical : Qt.Horizontal
        handle: Item {
            implicitWidth: root.gap * 2
            implicitHeight: root.gap * 2

            Rectangle {
                readonly property bool isUpright: parent.height > parent.width

                anchors.centerIn: parent
                width: isUpright ? 3 : 40
                height: isUpright ? 40 : 3
                radius: 1.5
                color: parent.SplitHandle.pressed || parent.SplitHandle.hovered
                       ? root.palette.highlight : root.palette.mid
            }
        }

        ColumnLayout {
            objectName: "leftPane"
            spacing: root.gap
            SplitView.fillWidth: true
            SplitView.fillHeight: true
            SplitView.minimumWidth: 320
            SplitView.minimumHeight: 100

            TextField {
                id: pattern

                objectName: "pattern"
                placeholderText: qsTr("Search for names, such as report*.odt")
                focus: true
                selectByMouse: true
                Accessible.name: qsTr("Search")
                Layout.fillWidth: true
                onTextChanged: root.session.pattern = text
                onAccepted: if (results.count > 0) root.goToResults()
                Keys.onDownPressed: root.goToResults()
                Keys.onEscapePressed: clear()
            }

            Frame {
                padding: 1
                background: Rectangle {
                    color: root.palette.base
                    border.color: root.palette.mid
                }
                Layout.fillWidth: true
                Layout.fillHeight: true

                ListView {
                    id: results

                    objectName: "results"
                    anchors.fill: parent
                    clip: true
                    activeFocusOnTab: true
                    boundsBehavior: Flickable.StopAtBounds
                    model: root.session.results
                    Accessible.role: Accessible.List
                    Accessible.name: qsTr("Files")
                    Keys.onReturnPressed: root.session.openFile(currentIndex)
                    Keys.onEnterPressed: root.session.openFile(currentIndex)
                    Keys.onEscapePressed: root.find()
                    Keys.onPressed: event => {
                        if (event.matches(StandardKey.Copy)) {
                            root.session.copyPath(currentIndex);
                            event.accepted = true;
                        }
                    }

                    Menu {
                        id: fileMenu

                        objectName: "fileMenu"

                        MenuItem {
                            text: qsTr("Open")
                            onTriggered: root.session.openFile(results.currentIndex)
                        }
                        MenuItem {
                            text: qsTr("Open the folder")
                            onTriggered: root.session.openFolderOf(results.currentIndex)
                        }
                        MenuItem {
                            text: qsTr("Copy the path")
                            onTriggered: root.session.copyPath(results.currentIndex)
                        }
                    }

                    ScrollBar.vertical: ScrollBar { }

                    delegate: ItemDelegate {
                        id: file

                        required property int index
                        required property string name
                        required property string folder
                        required property string size
                        required property string modified

                        width: ListView.view.width
                        highlighted: ListView.isCurrentItem && ListView.view.activeFocus
                        onClicked: {
                            ListView.view.currentIndex = index;
                            ListView.view.forceActiveFocus();
                        }
                        onDoubleClicked: root.session.openFile(index)
                        Accessible.name: name + ", " + folder

                        TapHandler {
                            acceptedButtons: Qt.RightButton
                            onTapped: {
                                file.ListView.view.currentIndex = file.index;
                                file.ListView.view.forceActiveFocus();
                                fileMenu.popup();
                            }
                        }

                        contentItem: RowLayout {
                            spacing: root.gap

                            ColumnLayout {
                                spacing: 1

                                Label {
                                    text: file.name
                                    font.bold: true
                                    color: file.highlighted ? root.palette.highlightedText
                                                            : root.palette.text
                                    elide: Text.ElideMiddle
                                    Layout.fillWidth: true
                                }
                                Label {
                                    text: file.folder
                                    opacity: 0.7
                                    color: file.highlighted ? root.palette.highlightedText
                                                            : root.palette.text
                                    elide: Text.ElideMiddle
                                    Layout.fillWidth: true
                                }
                            }
                            ColumnLayout {
                                spacing: 1

                                Label {
                                    text: file.size
                                    color: file.highlighted ? root.palette.highlightedText
                                                            : root.palette.text
                                    Layout.alignment: Qt.AlignRight
                                }
                                Label {
                                    text: file.modified
                                    opacity: 0.7
                                    color: file.highlighted ? root.palette.highlightedText
                                                            : root.palette.text
                                    Layout.alignment: Qt.AlignRight
                                }
                            }
                        }
                    }
                }

                Label {
                    anchors.centerIn: parent
                    visible: results.count === 0
                    opacity: 0.6
                    horizontalAlignment: Text.AlignHCenter
                    text: root.hasFailed ? qsTr("Nothing can be found until that is put right")
                        : root.session.pattern.length > 0 ? root.session.resultsText
                        : qsTr("Type a part of a name to find files")
                }
            }

            Label {
                objectName: "resultsText"
                text: results.count > 0 ? root.session.resultsText : " "
                Layout.fillWidth: true
            }
        }

        ColumnLayout {
            spacing: root.gap
            SplitView.preferredWidth: 460
            SplitView.preferredHeight: Math.min(210, split.height / 2 - root.gap)
            SplitView.minimumWidth: 420
            SplitView.minimumHeight: 100

            Label {
                text: root.hasFailed ? qsTr("Subsystems, closed after the failure")
                                     : qsTr("Subsystems, in the order in which they close")
                font.bold: true
                elide: Text.ElideRight
                Layout.fillWidth: true
                Layout.topMargin: 4
            }
            ProcessTreeView {
                objectName: "tree"
                process: root.session.process
                openLevels: 1
                Layout.fillWidth: true
                Layout.fillHeight: true
            }
        }
    }

    footer: ToolBar {
        horizontalPadding: root.gap
        topPadding: root.gap * 0.6
        bottomPadding: topPadding

        RowLayout {
            anchors.fill: parent
            spacing: root.gap

            ProgressBar {
                visible: !root.session.isUpToDate && !root.hasFailed
                value: root.session.progress
                Accessible.name: qsTr("Progress")
                Layout.preferredWidth: 160
            }
            Label {
                objectName: "progressText"
                text: root.session.progressText
                visible: !root.hasFailed
            }
            Label {
                objectName: "sentence"
                text: root.session.sentence
                opacity: 0.7
                elide: Text.ElideRight
                horizontalAlignment: Text.AlignRight
                Layout.fillWidth: true
            }
        }
    }

    ShutdownOverlay {
        objectName: "overlay"
        process: root.session.process
    }
}
