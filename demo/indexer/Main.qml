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

    function choose(folder) {
        session.choose(folder);
        pattern.forceActiveFocus();
    }

    width: 1080
    height: 680
    minimumWidth: 720
    minimumHeight: 420
    visible: true
    title: qsTr("%1 – Indexer").arg(session.folder)

    // The window stays until everything is closed; the program ends then.
    onClosing: close => {
        close.accepted = false;
        session.end();
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

    SplitView {
        anchors.fill: parent
        anchors.margins: root.gap

        ColumnLayout {
            spacing: root.gap
            SplitView.fillWidth: true
            SplitView.minimumWidth: 320

            TextField {
                id: pattern

                objectName: "pattern"
                placeholderText: qsTr("Search for names, such as report*.odt")
                focus: true
                selectByMouse: true
                Accessible.name: qsTr("Search")
                Layout.fillWidth: true
                onTextChanged: root.session.pattern = text
                Keys.onDownPressed: results.forceActiveFocus()
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
                        Accessible.name: name + ", " + folder

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
                    text: root.session.pattern.length > 0 ? root.session.resultsText
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
            SplitView.preferredWidth: 430
            SplitView.minimumWidth: 280

            Label {
                text: qsTr("Subsystems, in the order in which they close")
                font.bold: true
                elide: Text.ElideRight
                Layout.fillWidth: true
                Layout.leftMargin: root.gap
                Layout.topMargin: 4
            }
            ProcessTreeView {
                objectName: "tree"
                process: root.session.process
                openLevels: 1
                Layout.fillWidth: true
                Layout.fillHeight: true
                Layout.leftMargin: root.gap
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
                visible: !root.session.isUpToDate
                value: root.session.progress
                Accessible.name: qsTr("Progress")
                Layout.preferredWidth: 160
            }
            Label {
                objectName: "progressText"
                text: root.session.progressText
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
